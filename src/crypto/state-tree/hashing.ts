import { sha256 } from '../sha256.js';
import { utf8 } from '../utf8.js';

const stateKeyTag = utf8('quaestor/state-key/v1');

/** Hash of an empty subtree: 32 zero bytes, of which nobody knows a preimage. */
export const emptySubtreeHash = new Uint8Array(32);

/** Place of a key in the tree, 32 bytes: SHA-256("quaestor/state-key/v1" ‖ key in UTF-8). */
export function stateKeyPath(key: string): Uint8Array {
  return sha256(stateKeyTag, utf8(key));
}

/** Half-byte at a depth of 0 … 63 of the path that starts at an offset. */
export function nibbleAt(bytes: Uint8Array, depth: number, offset = 0): number {
  const byte = bytes[offset + (depth >>> 1)] ?? 0;
  return (depth & 1) === 0 ? byte >>> 4 : byte & 15;
}
