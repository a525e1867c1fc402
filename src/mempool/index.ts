/**
 * The transactions that wait to be committed: who may put in how much, in which order they go into blocks, what the
 * other validators are owed, and whether the primary passes one over. Never reads a clock, checks a signature or does
 * I/O: time and outcomes of checks are passed in.
 */
export { hashKey } from './hash-key.js';
export { Mempool } from './mempool.js';
export * from './types.js';
