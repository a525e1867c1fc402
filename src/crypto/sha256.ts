import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '../types/index.js';

/** Computes SHA-256 (FIPS 180-4) of a message into an output of 32 bytes. */
export type Sha256Backend = (message: Uint8Array, output: Uint8Array) => void;

const portable: Sha256Backend = (message, output) => {
  output.set(nobleSha256(message));
};

let backend: Sha256Backend = portable;

/** Replaces the implementation for the whole process; without an argument, goes back to the portable one. */
export function useSha256(replacement: Sha256Backend = portable): void {
  backend = replacement;
}

/** Messages up to this length are joined in a buffer that is reused. */
const maxJoinedBytes = 2048;
const joined = new Uint8Array(maxJoinedBytes);
/** Views of the first n bytes of `joined`, by n, made when first needed: a view costs more than hashing a block. */
const joinedViews: (Uint8Array | undefined)[] = [];
const digest = new Uint8Array(32);

/** SHA-256 of the parts one after the other: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  backend(join(parts), digest);
  // A copy of 32 bytes lies on V8's heap; an array that a native library wrote to directly would not, at twice the cost.
  return new Uint8Array(digest);
}

/** Writes SHA-256 of a message into an output of 32 bytes outside the message. */
export function sha256Into(message: Uint8Array, output: Uint8Array): void {
  backend(message, output);
}

/** Writes SHA-256 of a message, 32 bytes, at an offset of an output. */
export function sha256To(message: Uint8Array, output: Uint8Array, offset: number): void {
  // A message on V8's heap is joined like others: see there.
  backend(message.length <= maxJoinedBytes ? join([message]) : message, digest);
  for (let index = 0; index < 32; index++) output[offset + index] = digest[index] ?? 0;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const [first] = parts;
  // A single short part is copied too: what is given to a native library is moved off V8's heap, at a higher cost.
  if (length > maxJoinedBytes)
    return parts.length === 1 && first !== undefined ? first : concatBytes(...parts);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return (joinedViews[length] ??= joined.subarray(0, length));
}

const pair = new Uint8Array(65);

/** SHA-256 of one byte and two hashes of 32 bytes: the inner node of a binary tree. */
export function sha256Pair(prefix: number, left: Uint8Array, right: Uint8Array): Uint8Array {
  pair[0] = prefix;
  pair.set(left, 1);
  pair.set(right, 33);
  backend(pair, digest);
  return new Uint8Array(digest);
}
