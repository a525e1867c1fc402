/** One plain value of each message, to be changed by tests. */
import type {
  Account,
  Asset,
  BlockHeader,
  CommitCertificate,
  Genesis,
  KeyPolicy,
  KeySignature,
  Member,
  NewView,
  Parameters,
  Receipt,
  StateProof,
  TransactionPayload,
  TransactionResult,
  Transfer,
  Validator,
  ViewChange,
  VoteSignature,
  VoteStatement,
} from '../../../src/codec/index.js';
import {
  asAmount,
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asTxId,
  asValidatorIndex,
  asView,
} from '../../../src/types/index.js';

export const filled = (size: number, byte = 7): Uint8Array => new Uint8Array(size).fill(byte);
export const amount = asAmount;
export const key = (byte: number): KeySignature => ({
  publicKey: asPublicKey(filled(32, byte)),
  signature: asSignature(filled(64)),
});

export const transfer: Transfer = {
  kind: 'transfer',
  fromAccount: 'CH9300762011623852957',
  toAccount: 'DE89370400440532013000',
  asset: 'EUR',
  amount: amount(1_250_00n),
  endToEndId: 'E2E-1',
  memo: '',
};
export const payload: TransactionPayload = {
  sender: 'bank-alpha',
  idempotencyKey: filled(16),
  validUntilHeight: asHeight(100),
  operations: [transfer],
};
export const policy: KeyPolicy = {
  threshold: 1,
  keys: [1, 2, 3].map((byte) => ({ publicKey: asPublicKey(filled(32, byte)), weight: 1 })),
};
export const member: Member = { member: 'bank-alpha', name: 'Bank Alpha', policy, roles: ['registrar'] };
export const account: Account = {
  account: 'CH9300762011623852957',
  owner: 'bank-alpha',
  policy,
  openedHeight: asHeight(0),
};
export const asset: Asset = { asset: 'EUR', exponent: 2, issuer: 'bank-alpha', name: 'Euro' };
export const parameters: Parameters = {
  validityWindowBlocks: 1000,
  maxBlockTransactions: 1000,
  maxBlockBytes: 1024 * 1024,
  maxClockSkewMs: 5000,
  checkpointIntervalBlocks: 100,
  pipelineWindowBlocks: 4,
};
export const validator = (index: number): Validator => ({
  id: `validator-${index}`,
  member: 'bank-alpha',
  publicKey: asPublicKey(filled(32, index)),
});
export const genesis: Genesis = {
  network: 'test',
  timeMs: 1_767_225_600_000,
  validators: [validator(0)],
  members: [member],
  assets: [asset],
  accounts: [account],
  balances: [{ account: account.account, asset: 'EUR', amount: amount(1n) }],
  parameters,
};
export const header: BlockHeader = {
  version: 1,
  chainId: asChainId(filled(32, 1)),
  height: asHeight(5),
  view: asView(0),
  prevHash: asDigest(filled(32, 2)),
  transactionsRoot: asHash(filled(32, 3)),
  resultsRoot: asHash(filled(32, 4)),
  stateRoot: asHash(filled(32, 5)),
  validatorSetHash: asHash(filled(32, 6)),
  nextValidatorSetHash: asHash(filled(32, 6)),
  timeMs: 1_767_225_600_001,
  proposer: asValidatorIndex(0),
  transactionCount: 3,
};
export const vote: VoteStatement = {
  chainId: header.chainId,
  validatorSetHash: header.validatorSetHash,
  phase: 'commit',
  view: asView(0),
  height: asHeight(5),
  digest: asDigest(filled(32, 9)),
};
const voteSignature = (index: number): VoteSignature => ({
  validator: asValidatorIndex(index),
  signature: asSignature(filled(64)),
});
export const certificate: CommitCertificate = {
  view: asView(0),
  height: asHeight(5),
  digest: asDigest(filled(32, 9)),
  signatures: [voteSignature(0), voteSignature(1), voteSignature(3)],
};
export const result: TransactionResult = { txId: asTxId(filled(32, 8)), code: 'OK', failedOperation: 0 };
export const receipt: Receipt = {
  header: filled(100),
  certificate,
  result: filled(36),
  index: 1,
  path: [filled(32), filled(32)],
};
export const proof: StateProof = {
  header: filled(100),
  certificate,
  key: 'account/a',
  value: filled(10),
  siblings: [filled(32), filled(0)],
  otherLeafPath: filled(0),
  otherLeafValueHash: filled(0),
};
export const viewChange: ViewChange = {
  chainId: header.chainId,
  validatorSetHash: header.validatorSetHash,
  view: asView(1),
  validator: asValidatorIndex(2),
  committed: certificate,
  prepared: [
    { view: asView(0), header: filled(100), prePrepare: voteSignature(0), prepares: [voteSignature(1)] },
  ],
};
export const newView: NewView = {
  chainId: header.chainId,
  validatorSetHash: header.validatorSetHash,
  view: asView(1),
  validator: asValidatorIndex(1),
  viewChanges: [{ kind: 'viewChange', viewChange: filled(50), signature: asSignature(filled(64)) }],
  reproposals: [{ height: asHeight(6), digest: asDigest(filled(32)), signature: asSignature(filled(64)) }],
};
