import { asHash, equalBytes, type Height, type StateKey } from '../../types/index.js';
import { ChangeApplication } from './apply.js';
import { changesOf, type Change } from './changes.js';
import { NodeCache } from './node-cache.js';
import { deepPrefixId, nodeKey, prefixId } from './node-key.js';
import { StateNode, StateTreeError } from './node.js';
import { pathTo } from './prove.js';
import { stateKeyPath } from './hashing.js';
import type { NodeReader, StatePath, StateTreeOptions, TreeUpdate } from './types.js';
import { keyOfVisit, visitNodes, type Visit } from './walk.js';

/**
 * The state tree of one chain. Its root depends only on which key has which value, not on the order or history of
 * writes. Each block makes a version: `update` says what it adds, which the caller stores with the block.
 *
 * Several candidate blocks of one height may be executed, in different views: their nodes differ but have the same
 * keys. So that they are never mixed up,
 * - nodes of updates that are not committed are looked for only in the very branch that the update is based on, which
 *   the caller names. They are kept with those updates, and go when the caller drops these;
 * - the cache, which is looked at next, holds only nodes of versions up to the last one that `committed` was called
 *   for, and these are unique: a committed height is final;
 * - the reader comes last. It needs to know only what is committed.
 */
export class StateTree {
  readonly #cache: NodeCache;
  /** Nodes of updates that are not committed, by prefixId; without those that are too deep to have one. */
  readonly #pending = new WeakMap<TreeUpdate, ReadonlyMap<number, StateNode>>();
  #committedVersion = -1;

  constructor(options: StateTreeOptions) {
    this.#cache = new NodeCache(options.cacheNodes);
  }

  /**
   * Works out the version `next`: the version `base` (undefined for the empty tree), with the writes applied; undefined
   * removes a key. Reads with at most one call a level, then computes in one go.
   *
   * `branch` are the updates, ascending, that lead from a committed version to `base` and are not committed yet.
   * Rejects with a StateTreeError when a node that is needed is missing or damaged.
   */
  async update(
    reader: NodeReader,
    base: Height | undefined,
    next: Height,
    writes: ReadonlyMap<StateKey, Uint8Array | undefined>,
    branch: readonly TreeUpdate[] = [],
  ): Promise<TreeUpdate> {
    const changes = changesOf(writes);
    const visited =
      base === undefined
        ? undefined
        : await visitNodes(base, changes, (visits) => this.#load(reader, visits, changes, branch));
    const application = new ChangeApplication(next, changes);
    const root = application.applyToRoot(visited);
    const pending = new Map<number, StateNode>();
    const nodes = application.nodes.map(({ key, node }) => {
      if (node.id !== deepPrefixId) pending.set(node.id, node);
      return { key, value: node.bytes };
    });
    const update = { version: next, root: asHash(root.hash()), nodes, stale: application.stale };
    this.#pending.set(update, pending);
    return update;
  }

  /** Says that the block of an update was committed, so that its nodes may be cached. In the order of heights. */
  committed(update: TreeUpdate): void {
    this.#committedVersion = update.version;
    for (const node of this.#pending.get(update)?.values() ?? []) this.#cache.put(node);
    this.#pending.delete(update);
  }

  /**
   * Path that proves what a key has in a version, or that it has nothing (see verifyStatePath).
   * Rejects with a StateTreeError when a node is missing, as in a version that was pruned, or damaged.
   */
  async prove(reader: NodeReader, version: Height, key: StateKey): Promise<StatePath> {
    const path = stateKeyPath(key);
    return pathTo(path, version, async (nodeVersion, depth) => {
      const id = prefixId(path, depth);
      const cached = this.#cache.get(id, nodeVersion);
      if (cached !== undefined) return cached;
      const [bytes] = await reader.readNodes([nodeKey(nodeVersion, path, depth)]);
      return this.#nodeOf(bytes, nodeVersion, id);
    });
  }

  /** Finds nodes in the branch and in the cache, and reads the others with one call. */
  #load(
    reader: NodeReader,
    visits: readonly Visit[],
    changes: readonly Change[],
    branch: readonly TreeUpdate[],
  ): Promise<void> | undefined {
    const missing: Visit[] = [];
    const firstInBranch = branch[0]?.version ?? Infinity;
    for (const visit of visits) {
      const update = visit.version < firstInBranch ? undefined : branch[visit.version - firstInBranch];
      visit.node =
        (update === undefined ? undefined : this.#nodeIn(update, visit, changes)) ??
        this.#cache.get(visit.id, visit.version);
      if (visit.node === undefined) missing.push(visit);
    }
    return missing.length === 0 ? undefined : this.#read(reader, missing, changes);
  }

  #nodeIn(update: TreeUpdate, visit: Visit, changes: readonly Change[]): StateNode | undefined {
    if (visit.id !== deepPrefixId) return this.#pending.get(update)?.get(visit.id);
    const key = keyOfVisit(visit, changes);
    const found = update.nodes.find((node) => equalBytes(node.key, key));
    return found === undefined ? undefined : StateNode.decode(visit.version, visit.id, found.value);
  }

  async #read(reader: NodeReader, visits: readonly Visit[], changes: readonly Change[]): Promise<void> {
    const found = await reader.readNodes(visits.map((visit) => keyOfVisit(visit, changes)));
    visits.forEach((visit, index) => {
      visit.node = this.#nodeOf(found[index], visit.version, visit.id);
      if (visit.version <= this.#committedVersion) this.#cache.put(visit.node);
    });
  }

  #nodeOf(bytes: Uint8Array | undefined, version: number, id: number): StateNode {
    if (bytes === undefined) {
      throw new StateTreeError(
        'STATE_NODE_MISSING',
        `The store has no node of the state tree of version ${version}: that version was pruned, or the store is ` +
          `incomplete. Ask for a later height; if it is needed for the latest one, restore the store from a backup.`,
        { version: String(version) },
      );
    }
    // A copy, since what a store returns may be a view into something much larger.
    return StateNode.decode(version, id, new Uint8Array(bytes));
  }
}
