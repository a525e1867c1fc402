/**
 * The rules of the ledger: what a genesis and every block do to the state, and with which result for each transaction.
 * A pure function of state view and block. It never waits, reads a clock, checks a signature or knows of storage.
 */
export * from './types.js';
export { stateKeys } from './keys.js';
export { applyBlock, isSettledByUse, parametersIn, replayWindowStart, usesIdempotencyKey } from './apply.js';
export { authorizationReads, authorize, satisfies, type Authorization } from './authorization.js';
export {
  assumeVerified,
  decodeTransaction,
  markVerified,
  type EnvelopeError,
  type UnverifiedTransaction,
} from './envelope.js';
export { genesisChainId, genesisHeader, genesisWrites, type GenesisError } from './genesis.js';
export { seedHashTables } from './hash-table.js';
export {
  checkInvariants,
  surveyInvariants,
  type AssetTotals,
  type InvariantReport,
  type InvariantViolation,
} from './invariants.js';
export { readsOf } from './reads.js';
export { firstGovernance, governanceIn, RulesUnknownError, scheduledRules, unknownRules } from './rules.js';
export { BlockHashes, CommittedHashes, windowAbove } from './replay-window.js';
