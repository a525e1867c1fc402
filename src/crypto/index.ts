/**
 * Hashes, ids, signing preimages, Merkle trees, the state tree and signature checks, in the form that runs anywhere.
 * Deterministic and free of I/O: keys, key files, worker threads and native libraries are in src/crypto/native.
 */
export * from './ids.js';
export * from './merkle.js';
export * from './sha256.js';
export * from './state-tree/index.js';
export * from './types.js';
export { verifyZip215 } from './zip215.js';
