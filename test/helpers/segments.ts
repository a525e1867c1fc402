/** Object storage in memory that can be down or changed, and chains that are sealed into it. */
import {
  ObjectStoreError,
  type ByteRange,
  type ObjectBody,
  type ObjectInfo,
} from '../../src/objects/index.js';
import type { ObjectStore } from '../../src/objects/index.js';
import type { SealedBlock, SegmentEntry, SegmentManifest } from '../../src/codec/index.js';
import { SegmentBuilder, segmentKey, writeManifest, type SegmentParent } from '../../src/segments/index.js';
import { asHeight, concatBytes, type ChainId } from '../../src/types/index.js';
import type { SignedChain, TestBlock } from './signed-chain.js';

export class MemoryObjects implements ObjectStore {
  readonly location = 'memory';
  readonly objects = new Map<string, Uint8Array>();
  /** Whether it answers nothing. */
  isDown = false;
  /** Called before each operation; may throw. */
  before: (operation: 'put' | 'get' | 'head' | 'delete', key: string) => void = () => undefined;
  /** Bytes that were read. */
  bytesRead = 0;

  async put(key: string, body: ObjectBody): Promise<void> {
    this.#check('put', key);
    const chunks: Uint8Array[] = [];
    if (body instanceof Uint8Array) chunks.push(body);
    else for await (const chunk of body) chunks.push(chunk);
    this.#check('put', key);
    this.objects.set(key, Uint8Array.from(concatBytes(...chunks)));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not an exception
  async get(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    this.#check('get', key);
    const found = this.objects.get(key);
    if (found === undefined) throw new ObjectStoreError('NOT_FOUND', `There is no object "${key}".`);
    const part = found.slice(range?.start ?? 0, range?.end ?? found.length);
    this.bytesRead += part.length;
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream
    return (async function* () {
      for (let at = 0; at < part.length; at += 1000) yield part.subarray(at, at + 1000);
    })();
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a stream
  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    for (const [key, { length }] of [...this.objects].sort(([left], [right]) => (left < right ? -1 : 1)))
      if (key.startsWith(prefix)) yield { key, bytes: length };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not an exception
  async head(key: string): Promise<ObjectInfo | undefined> {
    this.#check('head', key);
    const found = this.objects.get(key);
    return found && { key, bytes: found.length };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not an exception
  async delete(key: string): Promise<void> {
    this.#check('delete', key);
    this.objects.delete(key);
  }

  #check(operation: 'put' | 'get' | 'head' | 'delete', key: string): void {
    if (this.isDown) throw new ObjectStoreError('UNAVAILABLE', 'Object storage does not answer.');
    this.before(operation, key);
  }
}

export const sealedOf = ({ headerBytes, certificate, envelopes, results }: TestBlock): SealedBlock => ({
  header: headerBytes,
  certificate,
  envelopes,
  results,
});

/** Seals blocks that go on from `parent` as one segment. */
export async function seal(
  objects: ObjectStore,
  chainId: ChainId,
  parent: SegmentParent,
  blocks: readonly SealedBlock[],
): Promise<SegmentEntry> {
  const chunks: Uint8Array[] = [];
  const builder = new SegmentBuilder(chainId, parent, (bytes) => {
    chunks.push(Uint8Array.from(bytes));
    return Promise.resolve();
  });
  for (const block of blocks) await builder.add(block);
  const entry = await builder.finish();
  await objects.put(segmentKey(entry.contentHash), concatBytes(...chunks));
  return entry;
}

/** Seals a chain from height 1 on in segments of so many blocks, with a manifest. */
export async function sealChain(
  objects: ObjectStore,
  chain: SignedChain,
  blocks: readonly TestBlock[],
  perSegment: number,
  setChanges: SegmentManifest['setChanges'] = [],
): Promise<SegmentManifest> {
  const segments: SegmentEntry[] = [];
  let parent: SegmentParent = { height: asHeight(0), digest: chain.genesisDigest };
  for (let at = 0; at < blocks.length; at += perSegment) {
    const part = blocks.slice(at, at + perSegment);
    segments.push(await seal(objects, chain.chainId, parent, part.map(sealedOf)));
    const { header, digest } = part.at(-1)!;
    parent = { height: header.height, digest };
  }
  const manifest: SegmentManifest = {
    version: 1,
    chainId: chain.chainId,
    writer: 'alpha',
    segments,
    setChanges,
  };
  await writeManifest(objects, manifest);
  return manifest;
}
