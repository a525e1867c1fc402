import { beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { encodeSegmentIndex, decodeSegmentIndex, encodeValidatorSet } from '../../../src/codec/index.js';
import type { SegmentEntry, SegmentManifest } from '../../../src/codec/index.js';
import {
  checkContentHash,
  manifestKey,
  readManifest,
  segmentKey,
  segmentOf,
  SegmentReader,
  trustManifest,
  verifySealedBlock,
  verifySegment,
  writeManifest,
} from '../../../src/segments/index.js';
import { asChainId, asHash, asHeight, concatBytes } from '../../../src/types/index.js';
import { trustGenesis, type ChainTrust } from '../../../src/verify/index.js';
import { MemoryObjects, seal, sealChain, sealedOf } from '../../helpers/segments.js';
import { checkByOpenSsl, SignedChain, type TestBlock } from '../../helpers/signed-chain.js';

const h = asHeight;

let chain: SignedChain;
let blocks: TestBlock[];
let trust: ChainTrust;

beforeAll(async () => {
  chain = await SignedChain.create(4);
  trust = trustGenesis(chain.genesis, { checkSignature: checkByOpenSsl, genesisDigest: chain.genesisDigest });
  blocks = [];
  for (let height = 1; height <= 30; height++) blocks.push(await chain.append());
});

const sealed = async (perSegment = 10) => {
  const objects = new MemoryObjects();
  return { objects, manifest: await sealChain(objects, chain, blocks, perSegment) };
};
const entryAt = (manifest: SegmentManifest, index: number): SegmentEntry => manifest.segments[index]!;
const sha = (bytes: Uint8Array) => asHash(new Uint8Array(createHash('sha256').update(bytes).digest()));

/** Replaces the file of an entry, and everything in the entry that follows from its bytes. */
function forged(
  objects: MemoryObjects,
  entry: SegmentEntry,
  file: Uint8Array,
  index: Uint8Array,
): SegmentEntry {
  const changed = {
    ...entry,
    contentHash: sha(file),
    bytes: file.length,
    indexBytes: index.length,
    indexHash: sha(index),
  };
  objects.objects.set(segmentKey(changed.contentHash), file);
  return changed;
}

/** A file of one frame, whose index says that it has `bytes` bytes. */
function fileOf(entry: SegmentEntry, compressed: Uint8Array, bytes: number) {
  const index = encodeSegmentIndex({
    version: 1,
    chainId: chain.chainId,
    firstHeight: entry.firstHeight,
    lastHeight: entry.lastHeight,
    previousDigest: entry.previousDigest,
    lastDigest: entry.lastDigest,
    frames: [
      {
        blocks: entry.lastHeight - entry.firstHeight + 1,
        compressedBytes: compressed.length,
        bytes,
        hash: sha(compressed),
      },
    ],
  });
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, index.length);
  const text = (value: string) => new TextEncoder().encode(value);
  return { file: concatBytes(text('QSTRSEG1'), compressed, index, length, text('QSTREND1')), index };
}

describe('a sealed segment', () => {
  it('gives each of its blocks back, as a stream and by height', async () => {
    const { objects, manifest } = await sealed();
    const heights: number[] = [];
    for (const entry of manifest.segments) {
      const reader = await SegmentReader.open(objects, entry);
      for await (const { height, block } of reader.blocks()) {
        expect(block).toEqual(sealedOf(blocks[height - 1]!));
        heights.push(height);
      }
    }
    expect(heights).toEqual(blocks.map(({ header }) => header.height));
    const entry = segmentOf(manifest, h(17))!;
    expect([entry.firstHeight, entry.lastHeight]).toEqual([11, 20]);
    const reader = await SegmentReader.open(objects, entry);
    expect(await reader.block(h(17))).toEqual(sealedOf(blocks[16]!));
    const rest = [];
    for await (const { height } of reader.blocks(h(18))) rest.push(height);
    expect(rest).toEqual([18, 19, 20]);
  });

  it('reads no more than index and frame for one block', async () => {
    const big = await SignedChain.create(1, 'big');
    const many: TestBlock[] = [];
    // Signatures do not compress: 60 blocks of some 9 kB are several frames.
    for (let height = 1; height <= 60; height++) many.push(await big.append({ transactions: 60 }));
    const objects = new MemoryObjects();
    const [entry] = (await sealChain(objects, big, many, 60)).segments;
    const reader = await SegmentReader.open(objects, entry!);
    expect(entry!.bytes).toBeGreaterThan(150_000);
    objects.bytesRead = 0;
    expect(await reader.block(h(31))).toEqual(sealedOf(many[30]!));
    expect(objects.bytesRead).toBeLessThan(entry!.bytes * 0.7);
  });

  it('is proven to be what the validators signed', async () => {
    const { objects, manifest } = await sealed();
    const results: string[] = [];
    for (const entry of manifest.segments)
      await verifySegment(objects, trust, entry, (verified) => {
        results.push(...verified.results.map(({ code }) => code));
      });
    expect(results).toHaveLength(90);
    const block = await (await SegmentReader.open(objects, entryAt(manifest, 0))).block(h(3));
    expect(verifySealedBlock(trust, h(3), block).certified.digest).toEqual(blocks[2]!.digest);
    expect(() => verifySealedBlock(trust, h(4), block)).toThrow(
      expect.objectContaining({ code: 'BROKEN_LINK' }),
    );
  });

  it('has another name as soon as one byte differs', async () => {
    const { objects, manifest } = await sealed();
    const entry = entryAt(manifest, 1);
    const key = segmentKey(entry.contentHash);
    const file = objects.objects.get(key)!;
    for (const at of [0, 7, 8, 100, file.length - 200, file.length - 12, file.length - 1]) {
      const changed = Uint8Array.from(file);
      changed[at]! ^= 1;
      objects.objects.set(key, changed);
      await expect(checkContentHash(objects, entry)).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
      await expect(verifySegment(objects, trust, entry)).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
    }
    const changed = Uint8Array.from(file);
    changed[20]! ^= 1;
    objects.objects.set(key, changed);
    const reader = await SegmentReader.open(objects, entry);
    await expect(reader.block(h(11))).rejects.toMatchObject({ code: 'HASH_MISMATCH' });
    objects.objects.set(key, file.subarray(0, file.length - 1));
    await expect(SegmentReader.open(objects, entry)).rejects.toMatchObject({ code: 'MISSING' });
    objects.objects.delete(key);
    await expect(SegmentReader.open(objects, entry)).rejects.toMatchObject({ code: 'MISSING' });
  });

  it('does not let another chain, a gap or a swapped block through', async () => {
    const other = await SignedChain.create(4, 'other');
    const foreign = [await other.append(), await other.append()];
    const objects = new MemoryObjects();
    const manifest = await sealChain(objects, other, foreign, 2);
    await expect(verifySegment(objects, trust, entryAt(manifest, 0))).rejects.toMatchObject({
      code: 'NOT_FINAL',
    });
    await expect(readManifest(objects, chain.chainId)).rejects.toMatchObject({ code: 'WRONG_CHAIN' });
    // A segment of true blocks is passed off as the one of other heights.
    const { objects: own, manifest: good } = await sealed();
    const swapped = { ...entryAt(good, 1), firstHeight: h(1), lastHeight: h(10) };
    await expect(verifySegment(own, trust, swapped)).rejects.toMatchObject({ code: 'MALFORMED' });
    const { contentHash } = entryAt(good, 1);
    await expect(verifySegment(own, trust, { ...entryAt(good, 0), contentHash })).rejects.toMatchObject({
      code: 'HASH_MISMATCH',
    });
    const wrong = { ...entryAt(good, 1), previousDigest: entryAt(good, 0).firstDigest };
    await expect(verifySegment(own, trust, wrong)).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  it('is refused when a result or transaction is not the one that was signed', async () => {
    const objects = new MemoryObjects();
    const [first, second] = blocks as [TestBlock, TestBlock];
    const parent = { height: h(0), digest: chain.genesisDigest };
    const forgeries = [
      { ...sealedOf(first), results: second.results },
      { ...sealedOf(first), envelopes: second.envelopes },
      { ...sealedOf(first), envelopes: first.envelopes.slice(1) },
      {
        ...sealedOf(first),
        certificate: { ...first.certificate, signatures: second.certificate.signatures },
      },
    ];
    for (const forgery of forgeries) {
      const entry = await seal(objects, chain.chainId, parent, [forgery]);
      await expect(verifySegment(objects, trust, entry)).rejects.toMatchObject({ code: 'NOT_FINAL' });
    }
  });

  it('leads over a change of the validator set that the manifest proves', async () => {
    const moving = await SignedChain.create(4, 'moving');
    const set = moving.addSet([11, 12, 13, 14]);
    const before = await moving.append({ nextSet: set });
    const all = [before, await moving.append(), await moving.append()];
    const change = {
      header: before.headerBytes,
      certificate: before.certificate,
      validatorSet: encodeValidatorSet(set),
    };
    const objects = new MemoryObjects();
    const manifest = await sealChain(objects, moving, all, 3, [change]);
    const first = trustGenesis(moving.genesis, { checkSignature: checkByOpenSsl });
    const read = (await readManifest(objects, moving.chainId))!;
    await verifySegment(objects, trustManifest(first, read), entryAt(manifest, 0));
    await expect(verifySegment(objects, first, entryAt(manifest, 0))).rejects.toMatchObject({
      code: 'NOT_FINAL',
    });
    const lie = { ...change, header: all[1]!.headerBytes };
    expect(() => trustManifest(first, { ...read, setChanges: [lie] })).toThrow(
      expect.objectContaining({ code: 'NOT_FINAL' }),
    );
  });
});

describe('reading a hostile segment', () => {
  it('makes room for no more bytes than the index may say', async () => {
    const { objects, manifest } = await sealed();
    const entry = entryAt(manifest, 0);
    // 64 MiB of zeros in 64 kB.
    const bomb = new Uint8Array(deflateSync(Buffer.alloc(64 * 1024 * 1024)));
    const { file, index } = fileOf(entry, bomb, 1000);
    const reader = await SegmentReader.open(objects, forged(objects, entry, file, index));
    await expect(reader.block(h(1))).rejects.toMatchObject({ code: 'MALFORMED' });
    // An index that owns up to it can not even be read.
    const honest = decodeSegmentIndex(index);
    if (!honest.ok) throw honest.error;
    const [frame] = honest.value.frames;
    const large = encodeSegmentIndex({
      ...honest.value,
      frames: [{ ...frame!, bytes: 64 * 1024 * 1024 }],
    });
    expect(decodeSegmentIndex(large)).toMatchObject({ ok: false, error: { code: 'BAD_VALUE' } });
  });

  it('refuses frames that are cut, too long, or hold other blocks than they should', async () => {
    const { objects, manifest } = await sealed();
    const entry = entryAt(manifest, 0);
    const contents = [
      ['empty', new Uint8Array(0), new Uint8Array(1)],
      ['a block cut off', Uint8Array.of(0, 0, 1, 0, 5, 5), undefined],
      ['a length of 4 GiB', Uint8Array.of(255, 255, 255, 255), undefined],
      ['no block', Uint8Array.of(0, 0, 0, 1, 9), undefined],
    ] as const;
    for (const [name, content, extra] of contents) {
      const compressed = concatBytes(new Uint8Array(deflateSync(content)), extra ?? new Uint8Array(0));
      const { file, index } = fileOf(entry, compressed, Math.max(1, content.length));
      const reader = await SegmentReader.open(objects, forged(objects, entry, file, index));
      await expect(reader.block(h(1)).catch((error: unknown) => [name, error])).resolves.toEqual([
        name,
        expect.objectContaining({ code: 'MALFORMED' }),
      ]);
    }
    const good = new Uint8Array(deflateSync(Uint8Array.of(0, 0, 0, 0)));
    const { file, index } = fileOf(entry, concatBytes(good, Uint8Array.of(1, 2, 3)), 4);
    const reader = await SegmentReader.open(objects, forged(objects, entry, file, index));
    await expect(reader.block(h(1))).rejects.toThrow(/bytes behind its end/);
  });
});

describe('a manifest', () => {
  it('finds the segment of a height and says when there is none', async () => {
    const { objects, manifest } = await sealed(7);
    expect(await readManifest(objects, chain.chainId)).toEqual(manifest);
    for (const { header } of blocks) {
      const entry = segmentOf(manifest, header.height)!;
      expect(entry.firstHeight <= header.height && header.height <= entry.lastHeight).toBe(true);
    }
    expect(segmentOf(manifest, h(0))).toBeUndefined();
    expect(segmentOf(manifest, h(31))).toBeUndefined();
    expect(segmentOf({ ...manifest, segments: [] }, h(1))).toBeUndefined();
    expect(await readManifest(new MemoryObjects(), asChainId(new Uint8Array(32)))).toBeUndefined();
  });

  it('has no gap, no overlap and no other chain in the middle', async () => {
    const { objects, manifest } = await sealed(10);
    const [first, second, third] = manifest.segments as [SegmentEntry, SegmentEntry, SegmentEntry];
    const broken = [
      [first, third],
      [second, first],
      [first, first],
      [first, { ...second, previousDigest: third.lastDigest }],
    ];
    for (const segments of broken) {
      await expect(writeManifest(objects, { ...manifest, segments })).rejects.toThrow();
    }
    expect(await readManifest(objects, chain.chainId)).toEqual(manifest);
    objects.objects.set(manifestKey, objects.objects.get(manifestKey)!.subarray(1));
    await expect(readManifest(objects, chain.chainId)).rejects.toMatchObject({ code: 'MALFORMED' });
  });
});
