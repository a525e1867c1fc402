import type { SignatureCheck } from '../types.js';

/**
 * A batch of checks in one buffer that is handed to a worker thread and back, so that nothing is cloned:
 *
 *     count u32 | message length u32, count times | public key 32, signature 64, message: count times
 *
 * in the machine's byte order. The worker answers in the same buffer: from byte 4, one outcome a check.
 */
export const batchHeaderBytes = 4;
const fixedBytesPerCheck = 4 + 32 + 64;

/** Bytes that a batch takes. */
export function batchBytes(checks: readonly SignatureCheck[]): number {
  let size = batchHeaderBytes;
  for (const { message } of checks) size += fixedBytesPerCheck + message.length;
  return size;
}

/** Writes a batch to the start of a buffer that is large enough. Keys have 32 bytes and signatures 64. */
export function writeBatch(checks: readonly SignatureCheck[], buffer: ArrayBuffer): void {
  const bytes = new Uint8Array(buffer);
  const lengths = new Uint32Array(buffer, 0, 1 + checks.length);
  lengths[0] = checks.length;
  let offset = lengths.byteLength;
  let index = 1;
  for (const { publicKey, signature, message } of checks) {
    lengths[index++] = message.length;
    bytes.set(publicKey, offset);
    bytes.set(signature, offset + 32);
    bytes.set(message, offset + 96);
    offset += 96 + message.length;
  }
}
