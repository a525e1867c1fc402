/**
 * The SDK: builds, signs, submits and follows transactions, and reads the ledger, through several validators. Trusts no
 * single one of them: what they say is checked against the pinned genesis. It needs neither a node nor a store.
 */
export {
  QuaestorClient,
  type ClientOptions,
  type GetAccountOptions,
  type TransferOptions,
} from './client.js';
export { AdminClient, type AdminClientOptions } from './admin.js';
export type { CallOptions } from './call-options.js';
export type { FollowOptions } from './blocks.js';
export type { ValidatorAddress } from './endpoint.js';
export * from './errors.js';
export { explainResult } from './explain-result.js';
export type {
  AccountState,
  AssetHolding,
  Block,
  HistoryItem,
  KnownTransaction,
  ValidatorStatus,
} from './reads.js';
export {
  readChangeProposal,
  readGovernance,
  readHold,
  type GetStateOptions,
  type StateRecord,
  type StateReads,
  type StateRecords,
} from './records.js';
export { isRefusalReason, reasons, type Reason, type RefusalReason } from './reasons.js';
export {
  readStatement,
  type AccountStatement,
  type StatementOptions,
  type StatementReads,
} from './statement.js';
export type { SubmitManyOptions, SubmitOutcome } from './submit-outcome.js';
export type { ClientTls } from './tls.js';
export * from './transactions.js';
export type { ValidatorsState } from './validators.js';
