import { asHash, invariant, type Height, type StateKey } from '../../types/index.js';
import { ChangeApplication } from './apply.js';
import { Changes } from './changes.js';
import { stateKeyPath } from './hashing.js';
import { loadRoot, loadWays } from './load.js';
import { pathTo } from './prove.js';
import type { NodeReader, StatePath, StateTreeOptions, TreeUpdate } from './types.js';
import { VersionTree, type PendingUpdate } from './version-tree.js';

/**
 * The state tree of one chain. Its root depends only on which key has which value, not on the order or history of
 * writes. Each block makes a version: `update` says what it adds, which the caller stores with the block.
 *
 * The committed version is in memory, as far as it was used, and so are the updates that wait for their blocks to be
 * committed. Several candidate blocks of one height may be executed, in different views: each update shares with what
 * it is based on the nodes that are the same, and sees nothing of the others. What is not in memory is read from the
 * store, which needs to know only what is committed.
 *
 * Updates are made one after the other; `committed` and `release` are called between them.
 */
export class StateTree {
  readonly #maxBytes: number;
  #tree: VersionTree | undefined;
  readonly #pending = new WeakMap<TreeUpdate, PendingUpdate>();
  #isUpdating = false;

  constructor(options: StateTreeOptions) {
    this.#maxBytes = options.maxBytes;
  }

  /**
   * Works out the version `next`: the version `base` (undefined for the empty tree), with the writes applied; undefined
   * removes a key. Reads with at most one call a level, then computes in one go.
   *
   * `branch` are the updates, ascending, that lead from the committed version to `base` and are not committed yet.
   * Rejects with a StateTreeError when a node that is needed is missing or damaged.
   */
  async update(
    reader: NodeReader,
    base: Height | undefined,
    next: Height,
    writes: ReadonlyMap<StateKey, Uint8Array | undefined>,
    branch: readonly TreeUpdate[] = [],
  ): Promise<TreeUpdate> {
    invariant(!this.#isUpdating, 'updates of the state tree are made one after the other');
    this.#isUpdating = true;
    try {
      const parent = this.#parent(base, branch);
      const tree = parent?.tree ?? this.#treeAt(base);
      const time = ++tree.time;
      if (parent === undefined && base !== undefined) tree.root ??= await loadRoot(tree.arena, base, reader);
      const root = parent?.root ?? tree.root ?? 0;
      const changes = new Changes(writes);
      await loadWays(tree.arena, root, changes, time, reader);
      const application = new ChangeApplication(tree.arena, changes, next, time);
      const newRoot = application.applyToRoot(base, root);
      const { created, replaced, nodes, stale } = application;
      const pending = { tree, base: parent, root: newRoot, created, replaced, time };
      const hash = new Uint8Array(32);
      tree.arena.copyHash(newRoot, hash, 0);
      const update = { version: next, root: asHash(hash), nodes, stale };
      tree.add(pending);
      this.#pending.set(update, pending);
      return update;
    } finally {
      this.#isUpdating = false;
    }
  }

  /** Memory of the nodes in use, in bytes: those of the committed version and of pending updates. */
  get usedBytes(): number {
    return this.#tree?.arena.usedBytes ?? 0;
  }

  /** Says that the block of an update was committed. In the order of heights. */
  committed(update: TreeUpdate): void {
    invariant(!this.#isUpdating, 'an update is committed between others');
    const pending = this.#pending.get(update);
    invariant(pending?.tree.isPending(pending) === true, 'an update that is committed was not given up');
    pending.tree.commit(pending, update.version, this.#maxBytes);
    this.#tree = pending.tree;
  }

  /** Says that the block of an update was given up. The update, and any that is based on it, must not be used again. */
  release(update: TreeUpdate): void {
    invariant(!this.#isUpdating, 'an update is given up between others');
    const pending = this.#pending.get(update);
    pending?.tree.release(pending);
  }

  /**
   * Path that proves what a key has in a version, or that it has nothing (see verifyStatePath). The version is committed.
   * Rejects with a StateTreeError when a node is missing, as in a version that was pruned, or damaged.
   */
  async prove(reader: NodeReader, version: Height, key: StateKey): Promise<StatePath> {
    const path = stateKeyPath(key);
    const latest = this.#tree;
    if (latest?.version === version && latest.root !== undefined) {
      const known = pathTo(latest.arena, latest.root, path);
      if (known !== undefined) return known;
    }
    // What is read for a proof does not get into the way of updates.
    const { arena } = new VersionTree(version);
    const root = await loadRoot(arena, version, reader);
    await loadWays(arena, root, new Changes(new Map([[key, undefined]])), 0, reader);
    const found = pathTo(arena, root, path);
    invariant(found !== undefined, 'the way of a key was read');
    return found;
  }

  /** The update that a branch ends in. */
  #parent(base: Height | undefined, branch: readonly TreeUpdate[]): PendingUpdate | undefined {
    const last = branch.at(-1);
    if (last === undefined) return undefined;
    const parent = this.#pending.get(last);
    invariant(last.version === base, 'a branch ends in the base of the update');
    if (parent !== undefined && parent === this.#tree?.made) return undefined;
    invariant(parent?.tree.isPending(parent) === true, 'the updates of a branch were not given up');
    return parent;
  }

  /** The tree that has a version; a new one, to be read from the store, if there is none. */
  #treeAt(base: number | undefined): VersionTree {
    if (this.#tree?.version === base && this.#tree !== undefined) return this.#tree;
    const tree = new VersionTree(base);
    this.#tree ??= tree;
    return tree;
  }
}
