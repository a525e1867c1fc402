import { createRequire } from 'node:module';
import type { MessagePort } from 'node:worker_threads';
import { Worker } from 'node:worker_threads';
import { createZip215Check, type Zip215Check } from './zip215-check.js';

/**
 * Answers batches (see verify-batch.ts) that arrive on a port. Refers to nothing outside itself.
 */
function serveBatches(port: MessagePort, check: Zip215Check): void {
  port.on('message', (buffer: ArrayBuffer) => {
    const bytes = new Uint8Array(buffer);
    const lengths = new Uint32Array(buffer, 4, new Uint32Array(buffer, 0, 1)[0]);
    let offset = 4 + lengths.byteLength;
    for (let index = 0; index < lengths.length; index++) {
      const end = offset + 96 + (lengths[index] ?? 0);
      const outcome = check(
        bytes.subarray(offset, offset + 32),
        bytes.subarray(offset + 96, end),
        bytes.subarray(offset + 32, offset + 96),
      );
      // Overwrites only lengths that were read already.
      bytes[4 + index] = outcome;
      offset = end;
    }
    port.postMessage(buffer, [buffer]);
  });
}

/**
 * Starts a thread that checks batches. It runs from the text of two functions rather than from a file of its own, so
 * that it starts in the same way from compiled files, from a bundle and under a test runner that compiles in memory.
 */
export function startVerifyWorker(): Worker {
  const libraryPath = createRequire(import.meta.url).resolve('sodium-native');
  const source = [
    `'use strict';`,
    `const { parentPort, workerData } = require('node:worker_threads');`,
    `const createZip215Check = ${createZip215Check.toString()};`,
    `const serveBatches = ${serveBatches.toString()};`,
    `serveBatches(parentPort, createZip215Check(require(workerData)));`,
  ].join('\n');
  return new Worker(source, { eval: true, workerData: libraryPath, name: 'quaestor-verify' });
}
