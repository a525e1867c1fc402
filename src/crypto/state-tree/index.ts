/**
 * The state tree: a versioned, compressed sparse Merkle tree over the ledger's state (see README.md here), and the
 * check of its proofs. It stores nothing: nodes are read through a NodeReader and new ones are handed back.
 */
export { verifyStateRange, type ProvenRange, type RangeProof } from './range.js';
export { DividedTree, maxPartDepth, pathsOfPart, subtreeOf, type TreePart } from './divided-tree.js';
export { stateKeyPath } from './hashing.js';
export { StateTree } from './state-tree.js';
export { PackedEntries, type TreeNodeEntry } from './packed-entries.js';
export { StateTreeError } from './errors.js';
export type { NodeReader, StateEntry, StatePath, StateTreeOptions, TreeUpdate } from './types.js';
export { verifyStatePath } from './verify.js';
