/** Signs with a key on a hardware security module, or on anything else that speaks PKCS #11 (OASIS, version 2.40 or later,
 * with CKM_EDDSA). The library blocks, so it is called on a thread of its own; no key material is ever here. */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import {
  asPublicKey,
  asSignature,
  equalBytes,
  QuaestorError,
  toHex,
  type PublicKey,
  type Signature,
} from '../../types/index.js';
import type { Signer } from '../types.js';
import { readPasswordFile } from './keystore.js';
import { pkcs11Thread, type Pkcs11Answer, type Pkcs11Place, type Pkcs11Request } from './pkcs11-thread.js';

/** Where a key is. */
export interface Pkcs11Options {
  /** Absolute path of the vendor's library. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  /** File whose first line is the PIN of the token's user. */
  readonly pinFile: string;
}

export interface Pkcs11SignerOptions extends Pkcs11Options {
  /** The key that the token must hold. */
  readonly publicKey: PublicKey;
  /** The token answers, or does not: `reason` says why. */
  readonly changed: (ready: boolean, reason: string | undefined) => void;
}

const reopenMs = 1000;
/** A call into the library that takes longer is told. */
const slowMs = 5000;
/** Most requests that wait for the token; beyond it the oldest are given up. */
const maxWaiting = 2048;

interface Waiting {
  readonly message: Uint8Array;
  readonly askedMs: number;
  readonly resolve: (signature: Signature) => void;
  readonly reject: (error: QuaestorError) => void;
}

/** Starts the thread. Rejects with PKCS11_UNAVAILABLE when the optional package is not installed, or a KeyFileError. */
async function startThread(options: Pkcs11Options): Promise<Worker> {
  const pin = await readPasswordFile(options.pinFile);
  if (!pin.ok) throw pin.error;
  const require = createRequire(import.meta.url);
  let path: string;
  try {
    path = require.resolve('pkcs11js');
    require(path);
  } catch (cause) {
    throw new QuaestorError(
      'PKCS11_UNAVAILABLE',
      'Keys on a hardware module need the optional package pkcs11js, which is not installed or was not built here. ' +
        'Install it with its build tools: npm install pkcs11js (Python 3, make and a C++ compiler).',
      {},
      cause,
    );
  }
  const { module, tokenLabel, keyLabel } = options;
  const place: Pkcs11Place = { module, tokenLabel, keyLabel, pin: pin.value };
  const text = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { PKCS11 } = require(workerData.path);
    (${pkcs11Thread.toString()})(workerData.place, () => new PKCS11(), parentPort);
  `;
  return new Worker(text, { eval: true, workerData: { path, place } });
}

/** Makes a key pair on a token; gives the public key. Rejects with PKCS11_FAILED. */
export function generatePkcs11Key(options: Pkcs11Options): Promise<PublicKey> {
  return once(options, { kind: 'generate' });
}

/** The public key of a key on a token. Rejects with PKCS11_FAILED. */
export function readPkcs11PublicKey(options: Pkcs11Options): Promise<PublicKey> {
  return once(options, { kind: 'open' });
}

/** A library that hangs is not waited for any longer. */
const endMs = 1000;

/** Ends the use of the library, then the thread: a library whose thread just vanishes may not be used again. */
async function end(thread: Worker): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, endMs);
    thread.on('message', (answer: Pkcs11Answer) => {
      if (answer.kind !== 'closed') return;
      clearTimeout(timer);
      resolve();
    });
    thread.postMessage({ kind: 'close' } satisfies Pkcs11Request);
  });
  await thread.terminate();
}

async function once(options: Pkcs11Options, request: Pkcs11Request): Promise<PublicKey> {
  const thread = await startThread(options);
  try {
    const answer = await new Promise<Pkcs11Answer>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.postMessage(request);
    });
    if (answer.kind === 'opened') return asPublicKey(answer.publicKey);
    const fault = answer.kind === 'failed' ? answer.fault : 'an unexpected answer';
    throw new QuaestorError('PKCS11_FAILED', `The token "${options.tokenLabel}" cannot be used: ${fault}.`, {
      fault,
    });
  } finally {
    await end(thread);
  }
}

/** A key on a token. While the token is away, what is to be signed waits; the session is opened again by itself. */
export class Pkcs11Signer implements Signer {
  readonly publicKey: PublicKey;
  readonly #options: Pkcs11SignerOptions;
  readonly #thread: Worker;
  /** In the order in which they were asked. */
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ready = false;
  #told: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout;
  #closed = false;

  private constructor(options: Pkcs11SignerOptions, thread: Worker) {
    this.#options = options;
    this.#thread = thread;
    this.publicKey = options.publicKey;
    thread.on('message', (answer: Pkcs11Answer) => this.#receive(answer));
    thread.on('error', (error) => this.#lost(error.message));
    this.#watch = setInterval(() => this.#lookForSlowness(), slowMs / 5);
    this.#watch.unref();
    this.#post({ kind: 'open' });
  }

  /** Rejects with PKCS11_UNAVAILABLE or a KeyFileError; a token that is away is no reason. */
  static async open(options: Pkcs11SignerOptions): Promise<Pkcs11Signer> {
    return new Pkcs11Signer(options, await startThread(options));
  }

  sign(message: Uint8Array): Promise<Signature> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { message, askedMs: performance.now(), resolve, reject });
      for (const [oldest, { reject: giveUp }] of this.#waiting) {
        if (this.#waiting.size <= maxWaiting) break;
        this.#waiting.delete(oldest);
        giveUp(new QuaestorError('SIGNER_UNAVAILABLE', 'The token is away, and too much waits for it.'));
      }
      if (this.#ready) this.#post({ kind: 'sign', id, message });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    for (const { reject } of this.#waiting.values()) reject(closedError());
    this.#waiting.clear();
    await end(this.#thread);
  }

  #post(request: Pkcs11Request): void {
    this.#thread.postMessage(request);
  }

  #receive(answer: Pkcs11Answer): void {
    if (this.#closed) return;
    switch (answer.kind) {
      case 'opened':
        if (!equalBytes(answer.publicKey, this.publicKey)) {
          this.#lost(
            `it holds key ${toHex(answer.publicKey)} under that label, not ${toHex(this.publicKey)}`,
          );
          return;
        }
        this.#ready = true;
        this.#tell(undefined);
        for (const [id, { message }] of this.#waiting) this.#post({ kind: 'sign', id, message });
        return;
      case 'signed':
        this.#waiting.get(answer.id)?.resolve(asSignature(answer.signature));
        this.#waiting.delete(answer.id);
        if (this.#ready) this.#tell(undefined);
        return;
      case 'closed':
        return;
      case 'failed':
        // What was posted after it fails too, and says the same.
        this.#lost(answer.fault);
        return;
    }
  }

  #lost(fault: string): void {
    this.#ready = false;
    this.#tell(fault);
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#reopen(), reopenMs);
  }

  /** With the PIN that its file has now: a wrong one is corrected there. */
  async #reopen(): Promise<void> {
    const pin = await readPasswordFile(this.#options.pinFile);
    if (!this.#closed) this.#post({ kind: 'open', ...(pin.ok && { pin: pin.value }) });
  }

  #lookForSlowness(): void {
    const [oldest] = this.#waiting.values();
    if (this.#ready && oldest !== undefined && performance.now() - oldest.askedMs > slowMs) {
      this.#tell(`it has not answered for ${slowMs} ms`);
    }
  }

  /** Undefined: it answers. */
  #tell(fault: string | undefined): void {
    const now = fault ?? '';
    if (this.#told === now) return;
    this.#told = now;
    this.#options.changed(
      fault === undefined,
      fault && `The token "${this.#options.tokenLabel}" cannot be used: ${fault}.`,
    );
  }
}

const closedError = (): QuaestorError =>
  new QuaestorError('SIGNER_CLOSED', 'The key can no longer sign: it was closed.');
