import type { ValidatorSetChange } from '../codec/index.js';
import type { StateTree } from '../crypto/index.js';
import { NotRetainedError } from '../network/index.js';
import type { FetchedBlock, FetchedState } from '../network/index.js';
import type { Store } from '../storage/types.js';
import { readSetChanges } from '../sync/index.js';
import type { BlockArchive } from './block-archive.js';
import { asHeight, equalBytes, successorPath } from '../types/index.js';
import type { Height } from '../types/index.js';

/** Changes of the validator set are read so many at a time. */
const changesAtOnce = 16;
/** A chunk of the state has about so many bytes of keys and values. */
const chunkBytes = 512 * 1024;

/** Final blocks from a height on, for a peer that is behind. What is sealed is read from there. Throws a NotRetainedError
 * at the first one that is not kept here. */
export async function* serveBlocks(
  store: Store,
  fromHeight: Height,
  maxBlocks: number,
  archive?: Pick<BlockArchive, 'block'>,
): AsyncGenerator<FetchedBlock> {
  const last = Math.min(store.head()?.height ?? 0, fromHeight + maxBlocks - 1);
  for (let height = Math.max(1, fromHeight); height <= last; height++) {
    const block = (await store.block(asHeight(height))) ?? (await archive?.block(asHeight(height)));
    if (block?.certificate === undefined) throw new NotRetainedError(store.base);
    yield { headerBytes: block.headerBytes, certificate: block.certificate, envelopes: block.envelopes };
  }
}

/** The changes of the validator set after an epoch, in order. */
export async function* serveSetChanges(store: Store, knownEpoch: number): AsyncGenerator<ValidatorSetChange> {
  const height = store.head()?.height;
  if (height === undefined) return;
  for (let known = knownEpoch; ;) {
    const changes = await readSetChanges(store, height, known, changesAtOnce);
    if (changes.length === 0) return;
    yield* changes;
    known += changes.length;
  }
}

/** The state after the block of a height, in the order of the tree; none when it is not kept here. */
export async function* serveState(
  store: Store,
  tree: StateTree,
  height: Height,
  range: { readonly from: Uint8Array; readonly until: Uint8Array },
): AsyncGenerator<FetchedState> {
  const head = store.head();
  if (head === undefined || height < store.oldestState || height > head.height) return;
  const reader = { readNodes: (keys: readonly Uint8Array[]) => store.treeNodes(keys) };
  const { until } = range;
  for (let from: Uint8Array | undefined = range.from; from !== undefined;) {
    let chunk, proof;
    try {
      chunk = await store.stateChunk({ height, from, until, maxBytes: chunkBytes });
      proof = await tree.proveRange(reader, height, { from, to: chunk.to });
    } catch (error) {
      // Given up while it was read.
      if (height < store.oldestState) throw new NotRetainedError(store.oldestState);
      throw error;
    }
    yield { ...chunk, proof };
    from = equalBytes(chunk.to, until) ? undefined : successorPath(chunk.to);
  }
}
