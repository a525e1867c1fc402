import type { SignatureCheck } from '../types.js';

/**
 * A batch of checks in one buffer that is handed to a worker thread and back, so that nothing is cloned:
 *
 *     count u32 | stage u32 | message length u32, count times | public key 32, signature 64, message: count times
 *
 * in the machine's byte order. The worker answers in the same buffer: from byte 8, one CheckOutcome a check.
 */
export const batchHeaderBytes = 8;
const fixedBytesPerCheck = 4 + 32 + 64;

/** What a batch asks for: 0 the native check, which may leave checks open; 1 the decision of the reference. */
export type CheckStage = 0 | 1;

/** Bytes that a batch takes. */
export function batchBytes(checks: readonly SignatureCheck[]): number {
  let size = batchHeaderBytes;
  for (const { message } of checks) size += fixedBytesPerCheck + message.length;
  return size;
}

/** Writes a batch to the start of a buffer that is large enough. Keys have 32 bytes and signatures 64. */
export function writeBatch(stage: CheckStage, checks: readonly SignatureCheck[], buffer: ArrayBuffer): void {
  const bytes = new Uint8Array(buffer);
  const words = new Uint32Array(buffer, 0, 2 + checks.length);
  words[0] = checks.length;
  words[1] = stage;
  let offset = words.byteLength;
  let index = 2;
  for (const { publicKey, signature, message } of checks) {
    words[index++] = message.length;
    bytes.set(publicKey, offset);
    bytes.set(signature, offset + 32);
    bytes.set(message, offset + 96);
    offset += 96 + message.length;
  }
}

/** What a batch that comes back asked for. */
export function stageOf(buffer: ArrayBuffer): CheckStage {
  return new Uint32Array(buffer, 4, 1)[0] === 1 ? 1 : 0;
}
