/**
 * Catch-up of a replica that is behind, by final blocks from its peers: a pure planner and a runner around it.
 * It decides nothing about when to catch up, and neither executes nor stores what it brings.
 */
export * from './planner.js';
export * from './set-changes.js';
export * from './runner.js';
export * from './verify-block.js';
export * from './copy-state.js';
export * from './verify-chunk.js';
