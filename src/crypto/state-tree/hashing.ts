import { sha256 } from '../sha256.js';
import { utf8 } from '../utf8.js';

const stateKeyTag = utf8('quaestor/state-key/v1');

/** Hash of an empty subtree: 32 zero bytes, of which nobody knows a preimage. */
export const emptySubtreeHash = new Uint8Array(32);

/** Place of a key in the tree, 32 bytes: SHA-256("quaestor/state-key/v1" ‖ key in UTF-8). */
export function stateKeyPath(key: string): Uint8Array {
  return sha256(stateKeyTag, utf8(key));
}

/** Half-byte of a path at a depth of 0 … 63. */
export function nibbleAt(path: Uint8Array, depth: number): number {
  const byte = path[depth >>> 1] ?? 0;
  return (depth & 1) === 0 ? byte >>> 4 : byte & 15;
}
