import { asHash, equalBytes, invariant, type Height, type StateKey } from '../../types/index.js';
import { ChangeApplication } from './apply.js';
import { Changes } from './changes.js';
import { stateKeyPath } from './hashing.js';
import { loadRoot, loadWays } from './load.js';
import { pathTo } from './prove.js';
import { outsideOf, type ProvenRange, type RangeProof } from './range.js';
import type { NodeReader, StatePath, StateTreeOptions, TreeUpdate } from './types.js';
import { BranchReader } from './branch-reader.js';
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
   * removes a key. Reads with at most two calls a level, then computes in one go.
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
    return this.#update(reader, base, next, () => Changes.of(writes), branch);
  }

  /**
   * Adds a range that was proven, in which nothing is yet, to a version that grows part by part while it is copied.
   * `isFirst` says that nothing is there at all. What the proof has hashed is not hashed again. Nodes that change keep
   * their keys: what an update adds has to reach the store, and the update to be `committed`, before what the next one
   * adds and reads.
   */
  addRange(reader: NodeReader, version: Height, isFirst: boolean, range: ProvenRange): Promise<TreeUpdate> {
    return this.#update(reader, isFirst ? undefined : version, version, () => range.leaves, [], range);
  }

  async #update(
    reader: NodeReader,
    base: Height | undefined,
    next: Height,
    changesOf: () => Changes,
    branch: readonly TreeUpdate[],
    proven?: ProvenRange,
  ): Promise<TreeUpdate> {
    invariant(!this.#isUpdating, 'updates of the state tree are made one after the other');
    this.#isUpdating = true;
    try {
      const { tree, parent } = this.#startAt(base, branch);
      const nodes = branch.length === 0 ? reader : new BranchReader(branch, reader);
      const time = ++tree.time;
      if (parent === undefined && base !== undefined) tree.root ??= await loadRoot(tree.arena, base, nodes);
      const root = parent?.root ?? tree.root ?? 0;
      const changes = changesOf();
      await loadWays(tree.arena, root, changes, time, nodes);
      const application = new ChangeApplication(tree.arena, changes, next, time, proven);
      const newRoot = application.applyToRoot(base, root);
      const { created, replaced } = application;
      const pending = { tree, base: parent, root: newRoot, created, replaced, time };
      const hash = new Uint8Array(32);
      tree.arena.copyHash(newRoot, hash, 0);
      const update = {
        version: next,
        root: asHash(hash),
        nodes: application.nodes,
        stale: application.stale,
      };
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

  /**
   * Says that the block of an update was committed. In the order of heights. One that was released, or is based on
   * another update than the last that was committed, is not in memory any more and will be read from the store.
   */
  committed(update: TreeUpdate): void {
    invariant(!this.#isUpdating, 'an update is committed between others');
    const pending = this.#pending.get(update);
    if (pending?.tree.isPending(pending) === true) {
      pending.tree.commit(pending, update.version, this.#maxBytes);
      this.#tree = pending.tree;
    } else this.#tree = undefined;
  }

  /** Frees the memory of an update whose block was given up, and of all updates that are based on it. */
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
    await loadWays(arena, root, Changes.of(new Map([[key, undefined]])), 0, reader);
    const found = pathTo(arena, root, path);
    invariant(found !== undefined, 'the way of a key was read');
    return found;
  }

  /**
   * Proves that the keys with paths in `from` … `to`, both included, are those that the version has there (see
   * verifyStateRange). Rejects as `prove` does.
   */
  async proveRange(
    reader: NodeReader,
    version: Height,
    { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  ): Promise<RangeProof> {
    const { arena } = new VersionTree(version);
    const root = await loadRoot(arena, version, reader);
    const bounds = equalBytes(from, to) ? [from] : [from, to];
    await loadWays(arena, root, Changes.ofPaths(bounds), 0, reader);
    return {
      left: outsideOf(arena, root, from, 'left'),
      right: outsideOf(arena, root, to, 'right'),
    };
  }

  /** Where an update begins: at another pending one, or at a version that is committed. */
  #startAt(base: number | undefined, branch: readonly TreeUpdate[]): Start {
    const last = branch.at(-1);
    invariant(last === undefined || last.version === base, 'a branch ends in the base of the update');
    const parent = last === undefined ? undefined : this.#pending.get(last);
    if (parent?.tree.isPending(parent) === true) return { tree: parent.tree, parent };
    const current = this.#tree;
    const isCurrent = parent === undefined ? current?.version === base : current?.made === parent;
    if (current !== undefined && isCurrent) return { tree: current, parent: undefined };
    const tree = new VersionTree(base);
    this.#tree ??= tree;
    return { tree, parent: undefined };
  }
}

interface Start {
  readonly tree: VersionTree;
  readonly parent: PendingUpdate | undefined;
}
