/** Reads a whole version of the state tree from a store. */
import { StateTree } from '../../src/crypto/index.js';
import type { Store } from '../../src/storage/index.js';
import { asStateKey, toHex, type Hash, type Height } from '../../src/types/index.js';

export { StateTree };

/** Root of the state of a height, worked out from the values, and the nodes that are read for proofs of all its keys. */
export async function toRootOf(
  store: Store,
  height: Height,
): Promise<{ readonly root: Hash; readonly read: ReadonlySet<string> }> {
  const read = new Set<string>();
  const reader = {
    async readNodes(keys: readonly Uint8Array[]) {
      for (const key of keys) read.add(toHex(key));
      return store.treeNodes(keys);
    },
  };
  const values = await store.stateRange({ prefix: '', height, limit: 1_000_000 });
  const tree = new StateTree({ maxBytes: 0 });
  for (const { key } of values) await tree.prove(reader, height, asStateKey(key));
  const none = { readNodes: (keys: readonly Uint8Array[]) => Promise.resolve(keys.map(() => undefined)) };
  const fresh = await new StateTree({ maxBytes: 1e7 }).update(
    none,
    undefined,
    height,
    new Map(values.map(({ key, value }) => [key, value])),
  );
  return { root: fresh.root, read };
}
