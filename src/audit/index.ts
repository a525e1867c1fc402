/**
 * The audit of a whole store, with nothing but the genesis: executes every block again and compares every record with
 * what follows. Reads only the audited store; trusts none of the nodes.
 */
export { auditStore, type AuditOptions, type AuditReport } from './audit-store.js';
export type { AuditProgress, ChainSource, Finding } from './types.js';
