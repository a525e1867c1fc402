/** The chain that the vectors are about: its genesis, its records, and its first block. */
import * as codec from '../../../src/codec/index.js';
import type {
  ChangeProposal,
  Genesis,
  Governance,
  Hold,
  Operation,
  PlaceHold,
  ProposeChange,
  ResultCode,
  TransactionPayload,
  TransactionResult,
} from '../../../src/codec/index.js';
import { merkleLeafHash, merkleRoot, StateTree, validatorSetHash } from '../../../src/crypto/index.js';
import { genesisHeader, genesisWrites } from '../../../src/ledger/index.js';
import {
  asAmount,
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asStateKey,
  asTxId,
  asValidatorIndex,
  asView,
  compareBytes,
  type ChainId,
  type Digest,
  type Hash,
  type TxId,
} from '../../../src/types/index.js';
import { testKey, type TestKey } from '../signed-chain.js';
import { TreeStore } from '../tree-store.js';
import type { VectorRecorder } from './recorder.js';
import { ledger } from './types.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface VectorChain {
  readonly genesis: Genesis;
  readonly genesisBytes: Uint8Array;
  readonly chainId: ChainId;
  readonly setHash: Hash;
  readonly header0Bytes: Uint8Array;
  readonly genesisDigest: Digest;
  readonly tree: StateTree;
  readonly store: TreeStore;
  readonly envelopes: readonly Uint8Array[];
  readonly results: readonly Uint8Array[];
  readonly txIds: readonly TxId[];
  readonly outcomes: readonly (readonly [ResultCode, number])[];
  readonly header: codec.BlockHeader;
  readonly headerBytes: Uint8Array;
  readonly digest: Digest;
  readonly balanceKey: string;
  readonly balanceBytes: Uint8Array;
}

const memberSeeds = { 'bank-alpha': 0xa1, 'bank-beta': 0xb2 } as const;

function buildGenesis(validators: readonly TestKey[], members: readonly TestKey[]): Genesis {
  const policy = (key: TestKey): { threshold: number; keys: { publicKey: never; weight: number }[] } => ({
    threshold: 1,
    keys: [{ publicKey: key.publicKey as never, weight: 1 }],
  });
  return {
    network: 'vectors',
    timeMs: 1_767_225_600_000,
    validators: validators.map(({ publicKey }, index) => ({
      id: `validator-${index}`,
      member: index % 2 === 0 ? 'bank-alpha' : 'bank-beta',
      publicKey,
    })),
    members: [
      {
        member: 'bank-alpha',
        name: 'Bank Alpha AG',
        policy: policy(members[0]!),
        roles: ['registrar', 'assetAdmin'],
      },
      { member: 'bank-beta', name: 'Banque Bêta SA', policy: policy(members[1]!), roles: [] },
    ],
    assets: [
      { asset: 'CHF', exponent: 2, issuer: 'bank-alpha', name: 'Swiss franc' },
      { asset: 'JPY', exponent: 0, issuer: 'bank-beta', name: 'Yen' },
    ],
    accounts: [
      { account: 'CH9300762011623852957', owner: 'bank-alpha', openedHeight: asHeight(0) },
      {
        account: 'DE89370400440532013000',
        owner: 'bank-beta',
        policy: policy(members[1]!),
        openedHeight: asHeight(0),
      },
    ],
    balances: [
      { account: 'CH9300762011623852957', asset: 'CHF', amount: asAmount(1_000_000n) },
      { account: 'DE89370400440532013000', asset: 'JPY', amount: asAmount(2n ** 128n - 1n) },
    ],
    parameters: {
      validityWindowBlocks: 1000,
      maxBlockTransactions: 1000,
      maxBlockBytes: 1024 * 1024,
      maxClockSkewMs: 2000,
      checkpointIntervalBlocks: 100,
      pipelineWindowBlocks: 4,
    },
  };
}

/** One transaction for each kind of operation. */
const operationsOf = (
  validatorKeys: readonly TestKey[],
  alpha: TestKey,
): readonly (readonly [string, readonly Operation[]])[] => [
  [
    'transfer',
    [
      {
        kind: 'transfer',
        fromAccount: 'CH9300762011623852957',
        toAccount: 'DE89370400440532013000',
        asset: 'CHF',
        amount: asAmount(125_000n),
        endToEndId: 'E2E-2026-0001',
        memo: 'Rechnung 4711 – März',
      },
    ],
  ],
  [
    'register member',
    [
      {
        kind: 'registerMember',
        member: 'bank-gamma',
        name: 'Γάμμα',
        policy: {
          threshold: 300,
          keys: [...validatorKeys]
            .map(({ publicKey }) => ({ publicKey, weight: 255 }))
            .sort((a, b) => compareBytes(a.publicKey, b.publicKey)),
        },
      },
    ],
  ],
  [
    'create accounts',
    [
      { kind: 'createAccount', account: 'alpha:ops' },
      {
        kind: 'createAccount',
        account: 'alpha:vault',
        policy: { threshold: 1, keys: [{ publicKey: alpha.publicKey, weight: 1 }] },
      },
    ],
  ],
  ['create asset', [{ kind: 'createAsset', asset: 'XAU', exponent: 18, issuer: 'bank-alpha', name: '' }]],
  [
    'mint and burn',
    [
      { kind: 'mint', asset: 'CHF', account: 'CH9300762011623852957', amount: asAmount(2n ** 128n - 1n) },
      { kind: 'burn', asset: 'CHF', account: 'CH9300762011623852957', amount: asAmount(1n) },
    ],
  ],
];

const outcomes: readonly (readonly [ResultCode, number])[] = [
  ['OK', 0],
  ['OK', 0],
  ['ACCOUNT_EXISTS', 2],
  ['OK', 0],
  ['AMOUNT_OVERFLOW', 1],
];

interface Transactions {
  readonly envelopes: readonly Uint8Array[];
  readonly results: readonly Uint8Array[];
  readonly txIds: readonly TxId[];
}

function addTransactions(
  recorder: VectorRecorder,
  chainId: ChainId,
  validatorKeys: readonly TestKey[],
): Transactions {
  const alpha = testKey(memberSeeds['bank-alpha']);
  const envelopes: Uint8Array[] = [];
  const results: Uint8Array[] = [];
  const txIds: TxId[] = [];
  for (const [index, [name, content]] of operationsOf(validatorKeys, alpha).entries()) {
    const payload = {
      sender: 'bank-alpha',
      idempotencyKey: new Uint8Array(16 + index).fill(0x40 + index),
      validUntilHeight: asHeight(100 + index * 100),
      operations: content,
    };
    const payloadBytes = recorder.add(
      `payload: ${name}`,
      ledger('TransactionPayload'),
      payload,
      codec.encodeTransactionPayload(payload),
    );
    const txId = asTxId(recorder.hash(`transaction id: ${name}`, codec.tags.tx, chainId, payloadBytes));
    txIds.push(txId);
    recorder.hash(
      `idempotency hash: ${name}`,
      codec.tags.idempotency,
      utf8(payload.sender),
      Uint8Array.of(0),
      payload.idempotencyKey,
    );
    const signature = recorder.sign(
      `transaction: ${name}`,
      'bank-alpha',
      memberSeeds['bank-alpha'],
      codec.tags.txSignature,
      txId,
    );
    const envelope = { payload: payloadBytes, signatures: [{ publicKey: alpha.publicKey, signature }] };
    envelopes.push(
      recorder.add(
        `envelope: ${name}`,
        ledger('TransactionEnvelope'),
        envelope,
        codec.encodeTransactionEnvelope(envelope),
      ),
    );
    const [code, failedOperation] = outcomes[index]!;
    const result = { txId, code, failedOperation };
    results.push(
      recorder.add(
        `result: ${name}`,
        ledger('TransactionResult'),
        result,
        codec.encodeTransactionResult(result),
      ),
    );
  }
  for (const [index, leaf] of results.entries())
    recorder.hash(`leaf hash of result ${index}`, Uint8Array.of(0), leaf);

  return { envelopes, results, txIds };
}

/** Records of each kind; gives the bytes of a balance. */
function addRecords(recorder: VectorRecorder, genesis: Genesis): Uint8Array {
  const balance = { amount: asAmount(875_000n) };
  const supply = { issued: 2n ** 128n - 1n, burned: 0n };
  const applied = {
    idempotencyHashes: [asHash(new Uint8Array(32).fill(1)), asHash(new Uint8Array(32).fill(2))],
  };
  const balanceBytes = recorder.add('balance', ledger('Balance'), balance, codec.encodeBalance(balance));
  recorder.add('supply', ledger('Supply'), supply, codec.encodeSupply(supply));
  recorder.add('applied block', ledger('AppliedBlock'), applied, codec.encodeAppliedBlock(applied));
  recorder.add(
    'applied block, empty',
    ledger('AppliedBlock'),
    { idempotencyHashes: [] },
    codec.encodeAppliedBlock({ idempotencyHashes: [] }),
  );
  recorder.add(
    'parameters',
    ledger('Parameters'),
    genesis.parameters,
    codec.encodeParameters(genesis.parameters),
  );
  const validators = genesis.validators.map((validator, index) =>
    index === 0 ? { ...validator, address: 'validator-0.bank-alpha.example:7400' } : validator,
  );
  const nextSet = { validators, epoch: 1, activationHeight: asHeight(70) };
  recorder.add(
    'validator set of epoch 1',
    ledger('ValidatorSet'),
    nextSet,
    codec.encodeValidatorSet(nextSet),
  );
  const propose = {
    kind: 'proposeValidatorSet',
    validator: 'validator-1',
    baseValidatorSetHash: validatorSetHash(codec.firstValidatorSet(genesis.validators)),
    validators,
    notBeforeHeight: asHeight(70),
    expiresHeight: asHeight(1000),
  } as const;
  const proposal = { proposal: propose, approvals: ['validator-0', 'validator-1'] };
  recorder.add(
    'validator set proposal',
    ledger('ValidatorSetProposal'),
    proposal,
    codec.encodeValidatorSetProposal(proposal),
  );
  const proposalHash = asHash(
    recorder.hash(
      'validator set proposal hash',
      codec.tags.validatorSetProposal,
      codec.encodeProposeValidatorSet(propose),
    ),
  );
  const governance: TransactionPayload = {
    sender: 'bank-alpha',
    idempotencyKey: new Uint8Array(16).fill(0x60),
    validUntilHeight: asHeight(100),
    operations: [
      propose,
      { kind: 'approveValidatorSet', validator: 'validator-2', proposer: 'validator-1', proposalHash },
      { kind: 'withdrawValidatorSet', validator: 'validator-3' },
    ],
  };
  recorder.add(
    'payload: validator set',
    ledger('TransactionPayload'),
    governance,
    codec.encodeTransactionPayload(governance),
  );
  const change: ProposeChange = {
    kind: 'proposeChange',
    validator: 'validator-1',
    baseValidatorSetHash: propose.baseValidatorSetHash,
    change: { kind: 'rulesVersion', version: 2 },
    notBeforeHeight: asHeight(70),
    expiresHeight: asHeight(1000),
    reason: 'Holds and exchanges',
  };
  const changeId = asHash(
    recorder.hash('proposal id', codec.tags.proposal, codec.encodeProposeChange(change)),
  );
  recorder.add('proposal', ledger('ProposeChange'), change, codec.encodeProposeChange(change));
  const decided: ChangeProposal = {
    proposal: change,
    approvals: ['validator-0', 'validator-1', 'validator-3'],
    rejections: ['validator-2'],
    status: 'decided',
    closedHeight: asHeight(60),
    effectiveHeight: asHeight(70),
  };
  recorder.add('change proposal', ledger('ChangeProposal'), decided, codec.encodeChangeProposal(decided));
  const inForce: Governance = {
    rulesVersion: 1,
    scheduled: [{ height: asHeight(70), change: change.change, proposalId: changeId }],
  };
  recorder.add('governance', ledger('Governance'), inForce, codec.encodeGovernance(inForce));
  const changes: TransactionPayload = {
    ...governance,
    operations: [
      change,
      { kind: 'voteOnChange', validator: 'validator-2', proposal: change, vote: 'reject' },
      { kind: 'withdrawChange', validator: 'validator-1', proposalId: changeId },
    ],
  };
  recorder.add(
    'payload: changes',
    ledger('TransactionPayload'),
    changes,
    codec.encodeTransactionPayload(changes),
  );
  const place: PlaceHold = {
    kind: 'placeHold',
    holdId: 'ORDER-17',
    fromAccount: 'CH9300762011623852957',
    toAccount: 'DE89370400440532013000',
    asset: 'EUR',
    amount: asAmount(125_00n),
    captor: 'bank-beta',
    expiresUnixMs: 1_800_000_086_400,
    hashLock: recorder.hash('hash lock', utf8('preimage')),
    endToEndId: 'E2E-17',
    memo: '',
  };
  const { holdId, fromAccount, toAccount, asset, captor, expiresUnixMs, hashLock } = place;
  const hold: Hold = {
    holdId,
    fromAccount,
    toAccount,
    asset,
    amount: place.amount,
    remaining: asAmount(25_00n),
    captor,
    expiresUnixMs,
    hashLock,
    placedHeight: asHeight(3),
  };
  recorder.add('hold', ledger('Hold'), hold, codec.encodeHold(hold));
  const settlement: TransactionPayload = {
    ...governance,
    operations: [
      place,
      {
        kind: 'captureHold',
        holdId,
        fromAccount,
        toAccount,
        asset,
        amount: asAmount(100_00n),
        preimage: utf8('preimage'),
      },
      { kind: 'releaseHold', holdId, fromAccount, asset, amount: hold.remaining },
      {
        kind: 'exchange',
        parties: ['bank-alpha', 'bank-beta'],
        legs: [
          { fromAccount, toAccount, asset: 'BOND-27', amount: asAmount(10n) },
          { fromAccount: toAccount, toAccount: fromAccount, asset, amount: asAmount(9_950_00n) },
        ],
        deadlineUnixMs: expiresUnixMs,
        reference: 'TRADE-4711',
      },
    ],
  };
  const [first] = genesis.members;
  const newKeys: TransactionPayload = {
    ...governance,
    operations: [
      { kind: 'updateMember', name: 'Bank Alpha AG', policy: first!.policy },
      { kind: 'updateAccount', account: fromAccount, policy: first!.policy },
      { kind: 'updateAccount', account: fromAccount },
    ],
  };
  recorder.add(
    'payload: new keys',
    ledger('TransactionPayload'),
    newKeys,
    codec.encodeTransactionPayload(newKeys),
  );
  recorder.add(
    'payload: settlement',
    ledger('TransactionPayload'),
    settlement,
    codec.encodeTransactionPayload(settlement),
  );
  const refused: TransactionResult = {
    txId: asTxId(changeId),
    code: 'INSUFFICIENT_FUNDS',
    failedOperation: 2,
    detail: { subject: `balance/${toAccount}/${asset}`, actual: '500', needed: '995000' },
  };
  recorder.add(
    'result with a detail',
    ledger('TransactionResult'),
    refused,
    codec.encodeTransactionResult(refused),
  );
  for (const member of genesis.members)
    recorder.add(`member ${member.member}`, ledger('Member'), member, codec.encodeMember(member));
  for (const account of genesis.accounts)
    recorder.add(`account ${account.account}`, ledger('Account'), account, codec.encodeAccount(account));
  for (const asset of genesis.assets)
    recorder.add(`asset ${asset.asset}`, ledger('Asset'), asset, codec.encodeAsset(asset));
  return balanceBytes;
}

/** Makes the chain, and the vectors of its parts. */
export async function buildVectorChain(recorder: VectorRecorder): Promise<VectorChain> {
  const validatorKeys = [1, 2, 3, 4].map(testKey);
  const memberKeys = Object.values(memberSeeds).map(testKey);
  const genesis = buildGenesis(validatorKeys, memberKeys);
  const genesisBytes = recorder.add('genesis', ledger('Genesis'), genesis, codec.encodeGenesis(genesis));
  const chainId = asChainId(recorder.hash('chain id', codec.tags.genesis, genesisBytes));
  const set = codec.firstValidatorSet(genesis.validators);
  const setBytes = recorder.add('validator set', ledger('ValidatorSet'), set, codec.encodeValidatorSet(set));
  const setHash = asHash(recorder.hash('validator set hash', codec.tags.validatorSet, setBytes));

  const writes = genesisWrites(genesis);
  if (!writes.ok) throw new Error(writes.error.message);
  const tree = new StateTree({ maxBytes: 1024 * 1024 });
  const store = new TreeStore();
  const first = await tree.update(store, undefined, asHeight(0), writes.value);
  store.add(first);
  const header0 = genesisHeader(genesis, first.root);
  const header0Bytes = recorder.add(
    'header of the genesis block',
    ledger('BlockHeader'),
    header0,
    codec.encodeBlockHeader(header0),
  );
  const genesisDigest = asDigest(
    recorder.hash('digest of the genesis block', codec.tags.header, header0Bytes),
  );

  const { envelopes, results, txIds } = addTransactions(recorder, chainId, validatorKeys);
  const balanceBytes = addRecords(recorder, genesis);
  const balanceKey = 'balance/CH9300762011623852957/CHF';
  const second = await tree.update(
    store,
    asHeight(0),
    asHeight(1),
    new Map([[asStateKey(balanceKey), balanceBytes]]),
  );
  store.add(second);
  recorder.hash('place of the balance in the state tree', utf8('quaestor/state-key/v1'), utf8(balanceKey));

  const header = {
    ...header0,
    height: asHeight(1),
    view: asView(2),
    prevHash: genesisDigest,
    transactionsRoot: merkleRoot(envelopes.map(merkleLeafHash)),
    resultsRoot: merkleRoot(results.map(merkleLeafHash)),
    stateRoot: second.root,
    timeMs: genesis.timeMs + 1500,
    proposer: asValidatorIndex(2),
    transactionCount: envelopes.length,
  };
  const headerBytes = recorder.add(
    'header of block 1',
    ledger('BlockHeader'),
    header,
    codec.encodeBlockHeader(header),
  );
  const digest = asDigest(recorder.hash('digest of block 1', codec.tags.header, headerBytes));

  return {
    ...{ genesis, genesisBytes, chainId, setHash, header0Bytes, genesisDigest, tree, store },
    ...{ envelopes, results, txIds, outcomes, header, headerBytes, digest, balanceKey, balanceBytes },
  };
}
