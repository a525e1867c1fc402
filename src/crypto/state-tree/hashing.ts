import { sha256, sha256To } from '../sha256.js';
import { utf8 } from '../utf8.js';

const stateKeyTag = utf8('quaestor/state-key/v1');

/** Hash of an empty subtree: 32 zero bytes, of which nobody knows a preimage. */
export const emptySubtreeHash = new Uint8Array(32);

/** Place of a key in the tree, 32 bytes: SHA-256("quaestor/state-key/v1" ‖ key in UTF-8). */
export function stateKeyPath(key: string): Uint8Array {
  return sha256(stateKeyTag, utf8(key));
}

/** Input of a hash: the tag, and a key behind it. */
const maxShortKeyLength = 128;
const input = new Uint8Array(stateKeyTag.length + maxShortKeyLength);
input.set(stateKeyTag);
/** Views of the first bytes of the input, by the length of the key, made when first needed. */
const inputs: (Uint8Array | undefined)[] = [];

/** Writes the place of a key in the tree, 32 bytes: see stateKeyPath. */
export function writeStateKeyPath(key: string, to: Uint8Array, offset: number): void {
  const start = stateKeyTag.length;
  const { length } = key;
  let isAscii = length <= maxShortKeyLength;
  for (let index = 0; isAscii && index < length; index++) {
    const code = key.charCodeAt(index);
    if (code >= 128) isAscii = false;
    input[start + index] = code;
  }
  if (isAscii) sha256To((inputs[length] ??= input.subarray(0, start + length)), to, offset);
  else to.set(stateKeyPath(key), offset);
}

/** Half-byte at a depth of 0 … 63 of the path that starts at an offset. */
export function nibbleAt(bytes: Uint8Array, depth: number, offset = 0): number {
  const byte = bytes[offset + (depth >>> 1)] ?? 0;
  return (depth & 1) === 0 ? byte >>> 4 : byte & 15;
}
