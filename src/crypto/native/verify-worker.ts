import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { Worker } from 'node:worker_threads';
import { createZip215Decision, type SignatureDecision } from '../zip215.js';
import { createNativeCheck, type CheckOutcome, type NativeCheck } from './native-check.js';

/**
 * Answers batches (see verify-batch.ts) that arrive on a port. Batches for the native check are answered in order; one
 * for the reference may be overtaken by them while the reference loads, which only the first of these asks for: a
 * thread that sees no refused signature does not pay for it in start time and memory.
 *
 * Refers to nothing outside itself.
 */
function serveBatches(
  port: MessagePort,
  check: NativeCheck,
  loadReference: () => Promise<SignatureDecision>,
): void {
  let reference: Promise<SignatureDecision> | undefined;

  function answer(
    buffer: ArrayBuffer,
    decide: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => CheckOutcome,
  ): void {
    const bytes = new Uint8Array(buffer);
    const lengths = new Uint32Array(buffer, 8, new Uint32Array(buffer, 0, 1)[0]);
    let offset = 8 + lengths.byteLength;
    for (let index = 0; index < lengths.length; index++) {
      const end = offset + 96 + (lengths[index] ?? 0);
      const outcome = decide(
        bytes.subarray(offset, offset + 32),
        bytes.subarray(offset + 96, end),
        bytes.subarray(offset + 32, offset + 96),
      );
      // Overwrites only lengths that were read already.
      bytes[8 + index] = outcome;
      offset = end;
    }
    port.postMessage(buffer, [buffer]);
  }

  port.on('message', (buffer: ArrayBuffer) => {
    if (new Uint32Array(buffer, 4, 1)[0] === 0) {
      answer(buffer, check);
      return;
    }
    reference ??= loadReference();
    // A failure ends the thread, and the pool decides what the thread had.
    void reference.then((decide) => {
      answer(buffer, (publicKey, message, signature) => (decide(publicKey, message, signature) ? 1 : 0));
    });
  });
}

/** The thread holds two libraries and the batch at hand: small heaps keep it from growing to V8's defaults. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/**
 * Starts a thread that checks batches. It runs from the text of functions rather than from a file of its own, so that
 * it starts in the same way from compiled files, from a bundle and under a test runner that compiles in memory.
 */
export function startVerifyWorker(): Worker {
  const { resolve } = createRequire(import.meta.url);
  const workerData = {
    library: resolve('sodium-native'),
    reference: pathToFileURL(resolve('@noble/curves/ed25519.js')).href,
  };
  const source = [
    `'use strict';`,
    `const { parentPort, workerData } = require('node:worker_threads');`,
    `const createNativeCheck = ${createNativeCheck.toString()};`,
    `const createZip215Decision = ${createZip215Decision.toString()};`,
    `const serveBatches = ${serveBatches.toString()};`,
    `const loadReference = async () => createZip215Decision((await import(workerData.reference)).ed25519);`,
    `serveBatches(parentPort, createNativeCheck(require(workerData.library)), loadReference);`,
  ].join('\n');
  return new Worker(source, {
    eval: true,
    workerData,
    name: 'quaestor-verify',
    // Flags of the process (a loader, a debugger, an inspector's port) are not meant for this thread.
    execArgv: [],
    resourceLimits,
  });
}
