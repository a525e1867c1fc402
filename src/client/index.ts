/**
 * The SDK: builds, signs, submits and follows transactions, and reads the ledger, through several validators. Trusts no
 * single one of them: what they say is checked against the pinned genesis. It needs neither a node nor a store.
 */
export * from './errors.js';
export { isRefusalReason, reasons, type Reason, type RefusalReason } from './reasons.js';
export * from './transactions.js';
