import sodium from 'sodium-native';
import { QuaestorError } from '../../types/index.js';
import type { SignatureCheck, SignatureVerifier } from '../types.js';
import type { Call, PendingCheck } from './pending-check.js';
import { VerifiedSet } from './verified-set.js';
import { VerifyThread } from './verify-thread.js';
import { createZip215Check } from './zip215-check.js';

export interface VerifierPoolOptions {
  /** Worker threads; 0 checks everything at once on the calling thread (for tests and simulations). */
  readonly threads: number;
  /** Most checks in one batch for a thread; 128 unless given. */
  readonly maxBatch?: number;
  /** Signatures that were found valid and are remembered, at 32 bytes each; 65,536 unless given, 0 for none. */
  readonly cacheEntries?: number;
  /** Up to so many checks that wait at the end of a turn of the event loop are done on the calling thread, which is
   * sooner than a thread would answer; 2 unless given. */
  readonly inlineChecks?: number;
}

/** What a pool has done since it was made, and what waits. All counters but the last two only grow. */
export interface VerifierPoolStats {
  /** Checks asked for. */
  readonly requested: number;
  /** Answered from the memory of valid signatures. */
  readonly remembered: number;
  /** Joined to the same check that was already under way. */
  readonly joined: number;
  /** Done on the calling thread. */
  readonly inline: number;
  /** Done on worker threads. */
  readonly threaded: number;
  /** Batches that worker threads did. */
  readonly batches: number;
  /** Found invalid. */
  readonly invalid: number;
  /** Checks that libsodium's own check did not settle: each cost five times as much. Only faulty or hostile signers
   * cause them, so a source of many is to be throttled. */
  readonly unsettled: number;
  /** Worker threads that ended unexpectedly. */
  readonly crashes: number;
  /** Worker threads that run. */
  readonly liveThreads: number;
  /** Checks that wait for a thread or are with one. */
  readonly waiting: number;
}

export interface VerifierPool extends SignatureVerifier {
  stats(): VerifierPoolStats;
}

const closedError = (): QuaestorError =>
  new QuaestorError('VERIFIER_CLOSED', 'Signatures can no longer be checked: the verifier was closed.');

/**
 * Checks signatures exactly under ZIP-215 on worker threads. Calls of the same turn of the event loop share batches,
 * each signature is checked once however often and from however many sides it is asked for, and the outcome never
 * depends on load, only its delay does. Nothing is refused here: callers bound what they ask for.
 *
 * `verify` rejects only after `close`.
 */
export function createVerifierPool(options: VerifierPoolOptions): VerifierPool {
  return new Pool(options);
}

class Pool implements VerifierPool {
  readonly #maxBatch: number;
  readonly #inlineChecks: number;
  readonly #check = createZip215Check(sodium);
  readonly #verified: VerifiedSet;
  readonly #undecided = new Map<string, PendingCheck>();
  readonly #threads: VerifyThread[] = [];
  #queue: PendingCheck[] = [];
  #flushScheduled = false;
  #closed = false;
  #requested = 0;
  #remembered = 0;
  #joined = 0;
  #inline = 0;
  #threaded = 0;
  #batches = 0;
  #invalid = 0;
  #unsettled = 0;
  #crashes = 0;

  constructor(options: VerifierPoolOptions) {
    this.#maxBatch = options.maxBatch ?? 128;
    this.#inlineChecks = options.inlineChecks ?? 2;
    this.#verified = new VerifiedSet(options.cacheEntries ?? 65_536);
    for (let count = 0; count < options.threads; count++) this.#startThread();
  }

  verify(checks: readonly SignatureCheck[]): Promise<readonly boolean[]> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const call: Call = {
        results: new Array<boolean>(checks.length).fill(false),
        remaining: 0,
        resolve,
        reject,
      };
      this.#requested += checks.length;
      for (let index = 0; index < checks.length; index++) {
        const check = checks[index];
        if (check !== undefined) this.#ask(check, call, index);
      }
      if (call.remaining === 0) resolve(call.results);
      else this.#schedule();
    });
  }

  stats(): VerifierPoolStats {
    return {
      requested: this.#requested,
      remembered: this.#remembered,
      joined: this.#joined,
      inline: this.#inline,
      threaded: this.#threaded,
      batches: this.#batches,
      invalid: this.#invalid,
      unsettled: this.#unsettled,
      crashes: this.#crashes,
      liveThreads: this.#threads.length,
      waiting: this.#undecided.size,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = closedError();
    for (const { waiters } of this.#undecided.values()) for (const { call } of waiters) call.reject(error);
    this.#undecided.clear();
    this.#queue = [];
    await Promise.all(this.#threads.splice(0).map((thread) => thread.stop()));
  }

  /** Answers one check at once, or adds it to the queue. */
  #ask(check: SignatureCheck, call: Call, index: number): void {
    const { publicKey, message, signature } = check;
    if (publicKey.length !== 32 || signature.length !== 64) {
      this.#invalid++;
      return;
    }
    this.#hash(check);
    if (this.#verified.has(this.#key)) {
      this.#remembered++;
      call.results[index] = true;
      return;
    }
    if (this.#threads.length === 0 && this.#queue.length === 0) {
      this.#inline++;
      call.results[index] = this.#settle(this.#check(publicKey, message, signature), this.#key);
      return;
    }
    call.remaining++;
    const name = this.#key.toString('latin1');
    const undecided = this.#undecided.get(name);
    if (undecided !== undefined) {
      this.#joined++;
      undecided.waiters.push({ call, index });
      return;
    }
    const pending: PendingCheck = {
      publicKey,
      message,
      signature,
      key: new Uint8Array(this.#key),
      name,
      waiters: [{ call, index }],
      retried: false,
    };
    this.#undecided.set(name, pending);
    this.#queue.push(pending);
  }

  #preimage = new Uint8Array(1024);
  /** Hash of the check at hand. */
  readonly #key = Buffer.alloc(32);

  #hash({ publicKey, message, signature }: SignatureCheck): void {
    const length = 96 + message.length;
    if (length > this.#preimage.length) this.#preimage = new Uint8Array(2 * length);
    this.#preimage.set(publicKey);
    this.#preimage.set(signature, 32);
    this.#preimage.set(message, 96);
    sodium.crypto_hash_sha256(this.#key, this.#preimage.subarray(0, length));
  }

  /** Counts an outcome and remembers a valid signature; gives whether it is valid. */
  #settle(outcome: number, key: Uint8Array): boolean {
    const valid = (outcome & 1) === 1;
    if (valid) this.#verified.add(key);
    else this.#invalid++;
    if ((outcome & 2) === 2) this.#unsettled++;
    return valid;
  }

  /** Full batches go at once; the rest when this turn of the event loop has brought all that it brings. */
  #schedule(): void {
    if (this.#queue.length >= this.#maxBatch) this.#dispatch();
    if (this.#queue.length === 0 || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const idle = this.#undecided.size === this.#queue.length;
    if (this.#threads.length === 0) {
      // All threads are lost: go on here, a batch a turn.
      this.#checkHere(this.#queue.splice(0, this.#maxBatch));
      if (this.#queue.length > 0) this.#schedule();
    } else if (idle && this.#queue.length <= this.#inlineChecks) {
      this.#checkHere(this.#queue.splice(0));
    } else {
      this.#dispatch();
    }
  }

  #checkHere(checks: readonly PendingCheck[]): void {
    for (const pending of checks) {
      this.#inline++;
      this.#decide(pending, this.#check(pending.publicKey, pending.message, pending.signature));
    }
  }

  /** Hands the queue to the threads that have room, in equal parts of at most a batch. */
  #dispatch(): void {
    let start = 0;
    while (start < this.#queue.length) {
      let least: VerifyThread | undefined;
      let equals = 0;
      for (const thread of this.#threads) {
        if (!thread.hasRoom || (least !== undefined && thread.load > least.load)) continue;
        equals = least !== undefined && thread.load === least.load ? equals + 1 : 1;
        least = thread;
      }
      if (least === undefined) break;
      const share = Math.min(this.#maxBatch, Math.ceil((this.#queue.length - start) / equals));
      least.send(this.#queue.slice(start, start + share));
      start += share;
    }
    if (start > 0) this.#queue = this.#queue.slice(start);
  }

  #decide(pending: PendingCheck, outcome: number): void {
    this.#undecided.delete(pending.name);
    const valid = this.#settle(outcome, pending.key);
    for (const { call, index } of pending.waiters) {
      call.results[index] = valid;
      call.remaining--;
      if (call.remaining === 0) call.resolve(call.results);
    }
  }

  #startThread(): void {
    const thread = new VerifyThread({
      decided: (checks, outcomes) => {
        if (this.#closed) return;
        this.#batches++;
        this.#threaded += checks.length;
        for (let index = 0; index < checks.length; index++) {
          const pending = checks[index];
          if (pending !== undefined) this.#decide(pending, outcomes[index] ?? 0);
        }
        if (this.#queue.length > 0) this.#dispatch();
      },
      ended: (checks) => {
        if (!this.#closed) this.#recover(thread, checks);
      },
    });
    this.#threads.push(thread);
  }

  /** A thread ended: another takes its place if it was of use before, and what it had is done again, once by a thread
   * and then here. */
  #recover(thread: VerifyThread, checks: readonly PendingCheck[]): void {
    this.#crashes++;
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    if (thread.answered > 0) this.#startThread();
    this.#checkHere(checks.filter((pending) => pending.retried));
    const again = checks.filter((pending) => !pending.retried);
    for (const pending of again) pending.retried = true;
    this.#queue = [...again, ...this.#queue];
    this.#schedule();
    if (this.#threads.length > 0) this.#dispatch();
  }
}
