import sodium from 'sodium-native';
import { QuaestorError } from '../../types/index.js';
import type { CheckUrgency, SignatureCheck, SignatureVerifier } from '../types.js';
import { verifyZip215 } from '../zip215.js';
import { checkNatively } from './native-check.js';
import { CheckQueue } from './check-queue.js';
import type { Call, PendingCheck } from './pending-check.js';
import { VerifiedSet } from './verified-set.js';
import { VerifyThread } from './verify-thread.js';

export interface VerifierPoolOptions {
  /** Worker threads; 0 checks everything at once on the calling thread (for tests and simulations). */
  readonly threads: number;
  /** Most checks in one batch for a thread; 128 unless given. */
  readonly maxBatch?: number;
  /** Signatures that were found valid and are remembered, at 32 bytes each; 65,536 unless given, 0 for none. */
  readonly cacheEntries?: number;
  /** Up to so many checks that wait at the end of a turn of the event loop are done on the calling thread, which is
   * sooner than a thread would answer; 2 unless given. Those that libsodium refuses go on to a thread. */
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
  /** Checks that libsodium did not settle and @noble/curves decides: each costs 1 to 2 ms, forty times as much. Only
   * faulty or hostile signers cause them, so a source of many is to be throttled. */
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
 * Checks signatures exactly under ZIP-215 on worker threads. What consensus asks for goes before what clients send: it
 * waits only for the batches that the threads have already, which are small. Calls of the same turn of the event loop share batches,
 * each signature is checked once however often and from however many sides it is asked for, and the outcome never
 * depends on load, only its delay does. Nothing is refused here: callers bound what they ask for.
 *
 * What libsodium accepts is valid; what it refuses waits in a queue of its own for @noble/curves, which decides. A
 * thread gets the checks of this queue one at a time, so that a flood of them takes time from the others, but holds no
 * batch up for longer than one decision, and where there are several threads, one of them is kept free of it.
 *
 * `verify` rejects only after `close`.
 */
export function createVerifierPool(options: VerifierPoolOptions): VerifierPool {
  return new Pool(options);
}

/** A thread with so many checks, some milliseconds of work, is no quick way for a vote. */
const busyLoad = 64;

class Pool implements VerifierPool {
  readonly #maxBatch: number;
  readonly #inlineChecks: number;
  /** Whether everything is done at once on the calling thread. */
  readonly #synchronous: boolean;
  readonly #verified: VerifiedSet;
  readonly #undecided = new Map<string, PendingCheck>();
  readonly #threads: VerifyThread[] = [];
  /** Wait for the native check. */
  readonly #queue = new CheckQueue();
  /** Wait for the reference. */
  #open: PendingCheck[] = [];
  /** Checks that threads have for the reference. */
  #deciding = 0;
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
    this.#synchronous = options.threads === 0;
    this.#verified = new VerifiedSet(options.cacheEntries ?? 65_536);
    for (let count = 0; count < options.threads; count++) this.#startThread();
  }

  verify(
    checks: readonly SignatureCheck[],
    urgency: CheckUrgency = 'consensus',
  ): Promise<readonly boolean[]> {
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
        if (check !== undefined) this.#ask(check, call, index, urgency === 'consensus');
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
    this.#queue.take(Infinity);
    this.#open = [];
    await Promise.all(this.#threads.splice(0).map((thread) => thread.stop()));
  }

  /** Answers one check at once, or adds it to the queue. */
  #ask(check: SignatureCheck, call: Call, index: number, urgent: boolean): void {
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
    if (this.#synchronous) {
      this.#inline++;
      const outcome = checkNatively(publicKey, message, signature);
      if (outcome === 2) this.#unsettled++;
      const valid = outcome === 2 ? verifyZip215(publicKey, message, signature) : outcome === 1;
      call.results[index] = this.#settle(valid, this.#key);
      return;
    }
    call.remaining++;
    const name = this.#key.toString('latin1');
    const undecided = this.#undecided.get(name);
    if (undecided !== undefined) {
      this.#joined++;
      undecided.waiters.push({ call, index });
      if (urgent) this.#queue.promote(undecided);
      return;
    }
    const pending: PendingCheck = {
      publicKey,
      message,
      signature,
      key: new Uint8Array(this.#key),
      name,
      waiters: [{ call, index }],
      urgent,
      taken: false,
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

  /** Counts a verdict and remembers a valid signature. */
  #settle(valid: boolean, key: Uint8Array): boolean {
    if (valid) this.#verified.add(key);
    else this.#invalid++;
    return valid;
  }

  /** Full batches go at once; the rest when this turn of the event loop has brought all that it brings. */
  #schedule(): void {
    if (this.#queue.length >= this.#maxBatch) this.#dispatch();
    if (this.#queue.length > 0) this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    // No batch is with a thread: a check for the reference that is there would hold these up.
    const idle = this.#undecided.size === this.#queue.length + this.#open.length + this.#deciding;
    if (this.#threads.length === 0) {
      // All threads are lost: go on here, a batch and one decision of the reference a turn.
      this.#checkHere(this.#queue.take(this.#maxBatch));
      const open = this.#open.shift();
      if (open !== undefined) this.#decideHere(open);
      if (this.#queue.length > 0 || this.#open.length > 0) this.#scheduleFlush();
    } else if (idle && this.#queue.length <= this.#inlineChecks) {
      this.#checkHere(this.#queue.take(Infinity));
    } else {
      if (this.#urgentIsQuickerHere()) this.#checkHere(this.#queue.take(this.#queue.urgent));
      this.#dispatch();
    }
  }

  /** Whether a few votes would wait longer for the batches that the threads have than for this thread. */
  #urgentIsQuickerHere(): boolean {
    const { urgent } = this.#queue;
    if (urgent === 0 || urgent > this.#inlineChecks) return false;
    return this.#threads.every((thread) => thread.load >= busyLoad);
  }

  /** The native check on this thread. */
  #checkHere(checks: readonly PendingCheck[]): void {
    for (const pending of checks) {
      this.#inline++;
      this.#conclude(pending, checkNatively(pending.publicKey, pending.message, pending.signature));
    }
    this.#dispatchOpen();
  }

  #decideHere(pending: PendingCheck): void {
    this.#decide(pending, verifyZip215(pending.publicKey, pending.message, pending.signature));
  }

  /** Hands the queue to the threads that have room, in equal parts of at most a batch, consensus first. */
  #dispatch(): void {
    while (this.#queue.length > 0) {
      const urgent = this.#queue.urgent > 0;
      let least: VerifyThread | undefined;
      let equals = 0;
      for (const thread of this.#threads) {
        const hasRoom = urgent ? thread.hasUrgentRoom : thread.hasRoom;
        if (!hasRoom || (least !== undefined && thread.load > least.load)) continue;
        equals = least !== undefined && thread.load === least.load ? equals + 1 : 1;
        least = thread;
      }
      if (least === undefined) return;
      const share = Math.min(this.#maxBatch, Math.ceil(this.#queue.length / equals));
      // Votes do not wait for the transactions that could share their batch.
      least.check(this.#queue.take(urgent ? Math.min(share, this.#queue.urgent) : share));
    }
  }

  /** Hands what waits for the reference to threads, to the least busy first. */
  #dispatchOpen(): void {
    if (this.#threads.length === 0) {
      if (this.#open.length > 0) this.#scheduleFlush();
      return;
    }
    const most = Math.max(1, this.#threads.length - 1);
    while (this.#open.length > 0 && this.#deciding < most) {
      let least: VerifyThread | undefined;
      for (const thread of this.#threads) {
        if (!thread.isDeciding && (least === undefined || thread.load < least.load)) least = thread;
      }
      const pending = least === undefined ? undefined : this.#open.shift();
      if (least === undefined || pending === undefined) return;
      this.#deciding++;
      least.decide(pending);
    }
  }

  /** Takes the outcome of a native check. */
  #conclude(pending: PendingCheck, outcome: number): void {
    if (outcome === 2) {
      this.#unsettled++;
      this.#open.push(pending);
    } else {
      this.#decide(pending, outcome === 1);
    }
  }

  #decide(pending: PendingCheck, valid: boolean): void {
    this.#undecided.delete(pending.name);
    this.#settle(valid, pending.key);
    for (const { call, index } of pending.waiters) {
      call.results[index] = valid;
      call.remaining--;
      if (call.remaining === 0) call.resolve(call.results);
    }
  }

  #startThread(): void {
    const thread = new VerifyThread({
      checked: (checks, outcomes) => {
        if (this.#closed) return;
        this.#batches++;
        this.#threaded += checks.length;
        for (let index = 0; index < checks.length; index++) {
          const pending = checks[index];
          if (pending !== undefined) this.#conclude(pending, outcomes[index] ?? 0);
        }
        if (this.#queue.length > 0) this.#dispatch();
        this.#dispatchOpen();
      },
      decided: (pending, valid) => {
        if (this.#closed) return;
        this.#deciding--;
        this.#decide(pending, valid);
        this.#dispatchOpen();
      },
      ended: (checks, open) => {
        if (!this.#closed) this.#recover(thread, checks, open);
      },
    });
    this.#threads.push(thread);
  }

  /** A thread ended: another takes its place if it was of use before, and what it had is done again, once by a thread
   * and then here. */
  #recover(thread: VerifyThread, checks: readonly PendingCheck[], open: PendingCheck | undefined): void {
    this.#crashes++;
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    if (thread.answered > 0) this.#startThread();
    if (open !== undefined) {
      this.#deciding--;
      if (open.retried) this.#decideHere(open);
      else this.#open.unshift(open);
      open.retried = true;
    }
    const again = checks.filter((pending) => !pending.retried);
    const retried = checks.filter((pending) => pending.retried);
    for (const pending of again) pending.retried = true;
    this.#queue.putBack(again);
    this.#checkHere(retried);
    this.#schedule();
    if (this.#threads.length > 0) this.#dispatch();
  }
}
