/**
 * Fast and secret parts of the cryptography for Node.js: hashing by libsodium, the pool that checks signatures on
 * worker threads, key generation, signers and encrypted key files. Decides nothing that src/crypto does not define.
 */
export * from './sha256.js';
export { createVerifierPool } from './verifier-pool.js';
export type { VerifierPool, VerifierPoolOptions, VerifierPoolStats } from './verifier-pool.js';
