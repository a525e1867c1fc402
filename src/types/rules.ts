/**
 * The latest version of the ledger's rules that this software executes; it executes all versions from 1 on. See
 * docs/governance.md for what each has.
 */
export const newestRules = 2;
