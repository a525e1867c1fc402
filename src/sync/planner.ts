/**
 * Which blocks to ask of whom next: pure bookkeeping of a catch-up. Time is passed in; nothing is fetched, checked or
 * stored here.
 */
import type { Height, ValidatorIndex } from '../types/index.js';
import { asHeight, invariant } from '../types/index.js';

export interface PlannerLimits {
  /** Most blocks in one request. */
  readonly maxRangeBlocks: number;
  /** Only heights up to so many above the last delivered one are asked for. */
  readonly windowBlocks: number;
  /** How long a peer that did not deliver is left alone at first; doubles each time up to `maxShunMs`. */
  readonly minShunMs: number;
  readonly maxShunMs: number;
  /** How long a peer that sent something false is left alone. */
  readonly liarShunMs: number;
  /** A peer that failed so often without a good block in between is not asked again in this catch-up. */
  readonly maxFailures: number;
}

/** A request to one peer for the blocks of `from` … `to`, both included. */
export interface RangeRequest {
  readonly id: number;
  readonly peer: ValidatorIndex;
  readonly from: Height;
  readonly to: Height;
}

/** How a peer disappointed. `lied`: what it sent is provably wrong; `pruned`: it does not keep what it was asked for. */
export type PeerFault = 'failed' | 'lied' | 'pruned';

interface Peer {
  readonly index: ValidatorIndex;
  height: number;
  busy: boolean;
  failures: number;
  shunnedUntilMs: number;
}

interface Outstanding {
  readonly request: RangeRequest;
  /** Next height that is expected of it. */
  next: number;
}

/** Heights from `from` to `to`, both included, that nobody was asked for. */
interface Gap {
  from: number;
  to: number;
}

export class SyncPlanner {
  readonly #limits: PlannerLimits;
  readonly #peers = new Map<ValidatorIndex, Peer>();
  readonly #outstanding = new Map<number, Outstanding>();
  /** Ascending, not touching. */
  #gaps: Gap[] = [];
  #delivered: number;
  #target: number;
  #lastId = 0;

  /** @param delivered Last height that is there already. */
  constructor(delivered: Height, target: Height, limits: PlannerLimits) {
    invariant(limits.maxRangeBlocks > 0 && limits.windowBlocks > 0, 'ranges and window are not empty');
    this.#limits = limits;
    this.#delivered = delivered;
    this.#target = delivered;
    this.extend(target);
  }

  /** Last height of the unbroken sequence that was delivered. */
  get delivered(): Height {
    return asHeight(this.#delivered);
  }

  get target(): Height {
    return asHeight(this.#target);
  }

  get complete(): boolean {
    return this.#delivered >= this.#target;
  }

  /** Raises the target; a lower one changes nothing. */
  extend(target: Height): void {
    if (target <= this.#target) return;
    this.#free(this.#target + 1, target);
    this.#target = target;
  }

  /** Notes that a peer says it has all blocks up to a height. A lower height than before is believed as well: the peer
   * is only asked for less. */
  report(index: ValidatorIndex, height: Height): void {
    const peer = this.#peers.get(index);
    if (peer !== undefined) peer.height = height;
    else this.#peers.set(index, { index, height, busy: false, failures: 0, shunnedUntilMs: 0 });
  }

  /**
   * The requests to start now: the lowest missing heights first, one request at a time per peer, the least failing
   * peer first.
   */
  next(nowMs: number): readonly RangeRequest[] {
    const requests: RangeRequest[] = [];
    const idle = [...this.#peers.values()]
      .filter((peer) => !peer.busy && this.#usable(peer) && peer.shunnedUntilMs <= nowMs)
      .sort((left, right) => left.failures - right.failures || left.index - right.index);
    const windowEnd = this.#delivered + this.#limits.windowBlocks;
    for (const gap of [...this.#gaps]) {
      while (gap.from <= gap.to && gap.from <= windowEnd) {
        const position = idle.findIndex((peer) => peer.height >= gap.from);
        const [peer] = position < 0 ? [] : idle.splice(position, 1);
        if (peer === undefined) break;
        const to = Math.min(gap.to, windowEnd, peer.height, gap.from + this.#limits.maxRangeBlocks - 1);
        const request = {
          id: ++this.#lastId,
          peer: peer.index,
          from: asHeight(gap.from),
          to: asHeight(to),
        };
        peer.busy = true;
        this.#outstanding.set(request.id, { request, next: gap.from });
        requests.push(request);
        gap.from = to + 1;
      }
    }
    this.#gaps = this.#gaps.filter((gap) => gap.from <= gap.to);
    return requests;
  }

  /** Notes that the next block of a request is there and right. */
  received(id: number): void {
    const outstanding = this.#outstanding.get(id);
    invariant(
      outstanding !== undefined && outstanding.next <= outstanding.request.to,
      'a block belongs to an outstanding request',
    );
    outstanding.next++;
    const peer = this.#peers.get(outstanding.request.peer);
    if (peer !== undefined) peer.failures = 0;
  }

  /** Notes that the last block of the sequence up to this height was passed on. */
  deliveredUpTo(height: Height): void {
    invariant(height === this.#delivered + 1, 'blocks are delivered in order, each once');
    this.#delivered = height;
  }

  /**
   * Notes that a request ended without an error. What is missing goes back to be asked of anyone; a peer that brought
   * nothing counts as failing.
   */
  finished(id: number, nowMs: number): void {
    const outstanding = this.#outstanding.get(id);
    if (outstanding === undefined) return;
    const { request, next } = outstanding;
    if (next === request.from) {
      this.failed(id, 'failed', nowMs);
      return;
    }
    this.#release(outstanding);
    const peer = this.#peers.get(request.peer);
    if (peer !== undefined && next <= request.to) peer.height = next - 1;
  }

  /** Notes that a peer does not keep what is left of a request: it is not asked for this catch-up's blocks again. */
  lacks(id: number): void {
    const outstanding = this.#outstanding.get(id);
    if (outstanding === undefined) return;
    this.#release(outstanding);
    const peer = this.#peers.get(outstanding.request.peer);
    if (peer !== undefined) peer.failures = this.#limits.maxFailures;
  }

  /** Notes that a request failed; what it did bring stays. */
  failed(id: number, fault: PeerFault, nowMs: number): void {
    const outstanding = this.#outstanding.get(id);
    if (outstanding === undefined) return;
    this.#release(outstanding);
    const peer = this.#peers.get(outstanding.request.peer);
    if (peer === undefined) return;
    const { minShunMs, maxShunMs, liarShunMs } = this.#limits;
    const shunMs = Math.min(maxShunMs, minShunMs * 2 ** Math.min(peer.failures, 30));
    peer.failures++;
    peer.shunnedUntilMs = nowMs + (fault === 'lied' ? liarShunMs : shunMs);
  }

  /** Ends a request without blame; what is missing goes back to be asked of anyone. */
  abandon(id: number): void {
    const outstanding = this.#outstanding.get(id);
    if (outstanding !== undefined) this.#release(outstanding);
  }

  /** Whether somebody was asked for a height and has not brought it yet. */
  isAwaited(height: number): boolean {
    for (const { request, next } of this.#outstanding.values()) {
      if (next <= height && height <= request.to) return true;
    }
    return false;
  }

  /** When a peer that could help is no longer shunned; undefined when none is waited for. */
  wakeMs(nowMs: number): number | undefined {
    let wake: number | undefined;
    for (const peer of this.#peers.values()) {
      if (!this.#helps(peer) || peer.shunnedUntilMs <= nowMs) continue;
      if (wake === undefined || peer.shunnedUntilMs < wake) wake = peer.shunnedUntilMs;
    }
    return wake;
  }

  /** Nothing is asked for and nobody can be asked for what is missing, now or later. */
  get stuck(): boolean {
    if (this.complete || this.#outstanding.size > 0 || this.#gaps.length === 0) return false;
    return ![...this.#peers.values()].some((peer) => this.#helps(peer));
  }

  #usable(peer: Peer): boolean {
    return peer.failures < this.#limits.maxFailures;
  }

  /** Whether a peer may bring the lowest missing height. */
  #helps(peer: Peer): boolean {
    const lowest = this.#gaps[0];
    return lowest !== undefined && this.#usable(peer) && peer.height >= lowest.from;
  }

  #release({ request, next }: Outstanding): void {
    this.#outstanding.delete(request.id);
    const peer = this.#peers.get(request.peer);
    if (peer !== undefined) peer.busy = false;
    this.#free(next, request.to);
  }

  /** Adds heights to the gaps. */
  #free(from: number, to: number): void {
    if (from > to) return;
    const merged: Gap[] = [];
    for (const gap of [...this.#gaps, { from, to }].sort((left, right) => left.from - right.from)) {
      const last = merged.at(-1);
      if (last !== undefined && gap.from === last.to + 1) last.to = gap.to;
      else merged.push({ ...gap });
    }
    this.#gaps = merged;
  }
}
