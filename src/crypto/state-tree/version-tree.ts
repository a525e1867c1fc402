import { isStoredDepth, NodeArena, nothing, type Ref } from './node-arena.js';

/** An update that is not committed: what it adds to the arena and what it has no more. */
export interface PendingUpdate {
  readonly tree: VersionTree;
  /** The update that it is based on, unless that is the committed version. */
  base: PendingUpdate | undefined;
  readonly root: Ref;
  readonly created: readonly Ref[];
  readonly replaced: readonly Ref[];
  readonly time: number;
}

/**
 * The last committed version in memory, as far as it was read, and the updates that are based on it, all of them in one
 * arena. Bounded: what was not used for long leaves, and is read again when it is needed.
 */
export class VersionTree {
  readonly arena = new NodeArena();
  /** The committed version; undefined before the first. */
  version: number | undefined;
  /** Its root; undefined until it was read. */
  root: Ref | undefined;
  /** The update that made it, if it was made here. */
  made: PendingUpdate | undefined;
  /** Counts the updates: the age of what is used. */
  time = 0;
  readonly #pending = new Set<PendingUpdate>();
  /** What was last used before is the older half. */
  #youngSince = 0;

  constructor(version: number | undefined) {
    this.version = version;
    this.root = version === undefined ? nothing : undefined;
  }

  add(update: PendingUpdate): void {
    this.#pending.add(update);
  }

  isPending(update: PendingUpdate): boolean {
    return this.#pending.has(update);
  }

  /** An update becomes the committed version. Updates that are not based on it can never be committed and go. */
  commit(update: PendingUpdate, version: number, maxBytes: number): void {
    this.version = version;
    this.root = update.root;
    this.made = update;
    this.#pending.delete(update);
    for (const other of [...this.#pending]) if (other.base === undefined) this.release(other);
    for (const other of this.#pending) if (other.base === update) other.base = undefined;
    for (const ref of update.replaced) this.arena.free(ref);
    if (this.arena.usedBytes > maxBytes) this.#shrink(maxBytes);
  }

  /** Gives an update up, and all that are based on it. */
  release(update: PendingUpdate): void {
    if (!this.#pending.delete(update)) return;
    for (const other of [...this.#pending]) if (other.base === update) this.release(other);
    for (const ref of update.created) this.arena.free(ref);
  }

  /**
   * Unloads what was not used since the last time that this was called, or if that is not enough, all but what pending
   * updates use. An update visits every stored node that it has to do with, from the root down: below one that was last
   * used before the oldest of them, there is nothing that they hold.
   */
  #shrink(maxBytes: number): void {
    let oldest = Infinity;
    for (const { time } of this.#pending) oldest = Math.min(oldest, time);
    this.#unload(this.root ?? nothing, 0, Math.min(this.#youngSince, oldest));
    if (this.arena.usedBytes > maxBytes) this.#unload(this.root ?? nothing, 0, oldest);
    this.#youngSince = this.time + 1;
  }

  /** Unloads the stored nodes below a subtree that were last used before a time. */
  #unload(ref: Ref, depth: number, before: number): void {
    const { arena } = this;
    if (ref <= nothing || !arena.isLoaded(ref)) return;
    if (isStoredDepth(depth) && arena.lastUsed(ref) < before) {
      arena.unload(ref);
      return;
    }
    this.#unload(arena.left(ref), depth + 1, before);
    this.#unload(arena.right(ref), depth + 1, before);
  }
}
