/**
 * A ledger in memory: members with made-up keys, transactions without real signatures (the rules only look at who
 * signed; envelopes with real ones are made in test/unit/ledger/envelope.test.ts), and a chain of blocks applied with
 * the real rules.
 */
import {
  decodeBalance,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Genesis,
  type KeyPolicy,
  type Member,
  type Operation,
  type Parameters,
  type ResultCode,
  type Role,
} from '../../src/codec/index.js';
import { sha256 } from '../../src/crypto/index.js';
import {
  applyBlock,
  assumeVerified,
  CommittedHashes,
  decodeTransaction,
  genesisWrites,
  readsOf,
  replayWindowStart,
  stateKeys,
  type BlockOutput,
  type CheckedTransaction,
  type StateView,
  type StateWrites,
} from '../../src/ledger/index.js';
import {
  asAmount,
  asChainId,
  asHeight,
  asPublicKey,
  asSignature,
  compareBytes,
  type PublicKey,
  type StateKey,
} from '../../src/types/index.js';

export const testChainId = asChainId(new Uint8Array(32).fill(7));

/** A public key by name; nobody has its private key. */
export const keyOf = (name: string): PublicKey => asPublicKey(sha256(new TextEncoder().encode(name)));

/** A policy of `threshold` of the named keys, weight 1 each. */
export function policyOf(threshold: number, ...names: readonly string[]): KeyPolicy {
  const keys = names.map((name) => ({ publicKey: keyOf(name), weight: 1 }));
  return { threshold, keys: keys.sort((a, b) => compareBytes(a.publicKey, b.publicKey)) };
}

/** A member that signs with the key of its own name. */
export const memberOf = (member: string, ...roles: readonly Role[]): Member => ({
  member,
  name: `Bank ${member}`,
  policy: policyOf(1, member),
  roles,
});

export const testParameters: Parameters = {
  validityWindowBlocks: 10,
  maxBlockTransactions: 1000,
  maxBlockBytes: 1024 * 1024,
  maxClockSkewMs: 1000,
  checkpointIntervalBlocks: 10,
  pipelineWindowBlocks: 4,
};

/** Issuer "central" (registrar, asset administrator) and banks "alpha" and "beta"; CHF and EUR, both of central's;
 * accounts "central-1", "alpha-1", "alpha-2", "beta-1"; 1,000 CHF on each of the banks' first accounts. */
export function testGenesis(change: Partial<Genesis> = {}): Genesis {
  return {
    network: 'test',
    timeMs: 1_800_000_000_000,
    validators: ['v0', 'v1', 'v2', 'v3'].map((id) => ({ id, member: 'central', publicKey: keyOf(id) })),
    members: [memberOf('alpha'), memberOf('beta'), memberOf('central', 'registrar', 'assetAdmin')],
    assets: [
      { asset: 'CHF', exponent: 2, issuer: 'central', name: 'Swiss franc' },
      { asset: 'EUR', exponent: 2, issuer: 'central', name: 'Euro' },
    ],
    accounts: [
      { account: 'alpha-1', owner: 'alpha', openedHeight: asHeight(0) },
      { account: 'alpha-2', owner: 'alpha', openedHeight: asHeight(0) },
      { account: 'beta-1', owner: 'beta', openedHeight: asHeight(0) },
      { account: 'central-1', owner: 'central', openedHeight: asHeight(0) },
    ],
    balances: [
      { account: 'alpha-1', asset: 'CHF', amount: asAmount(1000n) },
      { account: 'beta-1', asset: 'CHF', amount: asAmount(1000n) },
    ],
    parameters: testParameters,
    ...change,
  };
}

let nextKey = 0;

export interface TransactionOptions {
  readonly sender: string;
  readonly operations: readonly Operation[];
  /** Names of the keys that sign; the sender's own when left out. */
  readonly signers?: readonly string[];
  /** Text that the idempotency key is made from; a fresh one when left out. */
  readonly key?: string;
  readonly validUntil?: number;
}

/** Encodes a transaction, with signatures that would not hold, and takes it for checked. */
export function transactionOf(options: TransactionOptions): CheckedTransaction {
  const payload = encodeTransactionPayload({
    sender: options.sender,
    idempotencyKey: sha256(new TextEncoder().encode(options.key ?? `key ${(nextKey++).toString()}`)),
    validUntilHeight: asHeight(options.validUntil ?? 5),
    operations: options.operations,
  });
  const signatures = (options.signers ?? [options.sender])
    .map((name) => ({ publicKey: keyOf(name), signature: asSignature(new Uint8Array(64).fill(1)) }))
    .sort((a, b) => compareBytes(a.publicKey, b.publicKey));
  const decoded = decodeTransaction(encodeTransactionEnvelope({ payload, signatures }), testChainId);
  if (!decoded.ok) throw new Error(decoded.error.message);
  return assumeVerified(decoded.value);
}

export const transferOf = (
  fromAccount: string,
  toAccount: string,
  amount: bigint,
  asset = 'CHF',
): Operation => ({
  kind: 'transfer',
  fromAccount,
  toAccount,
  asset,
  amount: asAmount(amount),
  endToEndId: '',
  memo: '',
});

/** Puts writes into a state. */
export function applyWrites(state: Map<StateKey, Uint8Array>, writes: StateWrites): void {
  for (const [key, value] of writes) {
    if (value === undefined) state.delete(key);
    else state.set(key, value);
  }
}

/** A view that holds only what was declared, and throws on anything else. */
export function declaredView(
  state: ReadonlyMap<StateKey, Uint8Array>,
  transactions: readonly CheckedTransaction[],
): StateView {
  const declared = new Set(readsOf(transactions));
  return {
    get: (key) => {
      if (!declared.has(key)) throw new Error(`"${key}" was not declared`);
      return state.get(key);
    },
  };
}

/** A chain of blocks in memory. */
export class TestLedger {
  readonly state = new Map<StateKey, Uint8Array>();
  readonly window = new CommittedHashes();
  height = asHeight(0);

  constructor(genesis: Genesis = testGenesis()) {
    const writes = genesisWrites(genesis);
    if (!writes.ok) throw new Error(writes.error.message);
    applyWrites(this.state, writes.value);
  }

  /** Applies the next block, at the next height unless one is given. */
  block(transactions: readonly CheckedTransaction[], height = this.height + 1): BlockOutput {
    const output = applyBlock({
      height: asHeight(height),
      timeMs: 1_800_000_000_000 + height,
      transactions,
      state: declaredView(this.state, transactions),
      window: this.window,
    });
    applyWrites(this.state, output.writes);
    this.window.add(asHeight(height), output.idempotencyHashes);
    this.window.dropBelow(replayWindowStart(asHeight(height + 1), testParameters.validityWindowBlocks));
    this.height = asHeight(height);
    return output;
  }

  /** Result codes of a block with these transactions. */
  codes(...transactions: readonly CheckedTransaction[]): ResultCode[] {
    return this.block(transactions).results.map(({ code }) => code);
  }
}

/** What an account holds of an asset. */
export function balanceIn(state: ReadonlyMap<StateKey, Uint8Array>, account: string, asset: string): bigint {
  const bytes = state.get(stateKeys.balance(account, asset));
  if (bytes === undefined) return 0n;
  const decoded = decodeBalance(bytes);
  if (!decoded.ok) throw decoded.error;
  return decoded.value.amount;
}
