/**
 * What waits to be sent to one peer: a bounded queue for each class of traffic, taken in order of urgency. It decides
 * what is dropped when a queue is full, and nothing else.
 */
import { maxFramesPerBatch } from './wire/frames.js';

/** Bounds in bytes. */
export interface OutboxLimits {
  readonly maxConsensusQueueBytes: number;
  readonly maxRelayQueueBytes: number;
  readonly maxBodiesQueueBytes: number;
}

/** An encoded frame, possibly shared with other peers. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** What it counts for when it is shed: envelopes of relayed transactions, else 1. */
  readonly count: number;
}

/** First in, first out; takes from the front without moving the rest. */
class Fifo {
  bytes = 0;
  #pieces: Piece[] = [];
  #head = 0;

  get first(): Piece | undefined {
    return this.#pieces[this.#head];
  }

  push(piece: Piece): void {
    this.#pieces.push(piece);
    this.bytes += piece.bytes.length;
  }

  shift(): Piece | undefined {
    const piece = this.first;
    if (piece === undefined) return undefined;
    this.bytes -= piece.bytes.length;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#head = 0;
    }
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

export class Outbox {
  readonly #limits: OutboxLimits;
  readonly #consensus = new Fifo();
  readonly #bodies = new Fifo();
  readonly #relay = new Fifo();
  #status: Piece | undefined;

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#consensus.bytes + this.#bodies.bytes + this.#relay.bytes + (this.#status?.bytes.length ?? 0);
  }

  get empty(): boolean {
    return this.queuedBytes === 0;
  }

  /** Queues a consensus message and drops the oldest ones that no longer fit. Returns how many were dropped. */
  pushConsensus(piece: Piece): number {
    this.#consensus.push(piece);
    return this.#trimConsensus(this.#limits.maxConsensusQueueBytes);
  }

  /** Replaces a status that still waits. */
  setStatus(piece: Piece): void {
    this.#status = piece;
  }

  /** Queues all pieces or none; false when they do not fit. */
  pushBodies(pieces: readonly Piece[]): boolean {
    let bytes = this.#bodies.bytes;
    for (const piece of pieces) bytes += piece.bytes.length;
    if (bytes > this.#limits.maxBodiesQueueBytes && this.#bodies.bytes > 0) return false;
    for (const piece of pieces) this.#bodies.push(piece);
    return true;
  }

  /** Queues relayed transactions; false when they do not fit. */
  pushRelay(piece: Piece): boolean {
    if (this.#relay.bytes + piece.bytes.length > this.#limits.maxRelayQueueBytes) return false;
    this.#relay.push(piece);
    return true;
  }

  /**
   * Takes the pieces of the next message: what is most urgent first, up to `maxBytes`, at least one if any waits.
   * Relayed transactions only `withRelay`.
   */
  take(maxBytes: number, withRelay = true): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let bytes = 0;
    if (this.#status !== undefined) {
      taken.push(this.#status.bytes);
      bytes += this.#status.bytes.length;
      this.#status = undefined;
    }
    for (const queue of [this.#consensus, this.#bodies, this.#relay]) {
      if (queue === this.#relay && !withRelay) break;
      for (let next = queue.first; next !== undefined; next = queue.first) {
        if (taken.length === maxFramesPerBatch) return taken;
        if (taken.length > 0 && bytes + next.bytes.length > maxBytes) return taken;
        queue.shift();
        taken.push(next.bytes);
        bytes += next.bytes.length;
      }
    }
    return taken;
  }

  /** After a connection ended: keeps the newest consensus messages up to `keepBytes` and forgets the rest, which is
   * stale or was meant for that connection. */
  reset(keepBytes: number): void {
    this.#status = undefined;
    this.#bodies.clear();
    this.#relay.clear();
    this.#trimConsensus(keepBytes);
  }

  #trimConsensus(maxBytes: number): number {
    let dropped = 0;
    while (this.#consensus.bytes > maxBytes) {
      dropped += this.#consensus.shift()?.count ?? 0;
    }
    return dropped;
  }
}
