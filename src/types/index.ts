/**
 * Words that every layer shares: branded ids, limits, the error base and `Result`.
 * Imports nothing, does nothing.
 */
export * from './brands.js';
export * from './bytes.js';
export * from './errors.js';
export * from './flow-rate.js';
export * from './limits.js';
export * from './quorum.js';
export * from './result.js';
export * from './version-range.js';
export * from './rules.js';
