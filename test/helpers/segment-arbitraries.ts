/** fast-check arbitraries of the messages of segments: only values that the codec accepts. */
import fc, { type Arbitrary } from 'fast-check';
import type { SealedBlock, SegmentEntry, SegmentIndex, SegmentManifest } from '../../src/codec/index.js';
import { asChainId, asDigest, asHash, asHeight } from '../../src/types/index.js';
import { commitCertificate, validatorId, validatorSetChanges } from './model-arbitraries.js';

const bytesOf = (min: number, max = min): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });
const b32 = bytesOf(32);
const count = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });

export const sealedBlock: Arbitrary<SealedBlock> = fc.record({
  header: bytesOf(1, 300),
  certificate: commitCertificate,
  envelopes: fc.array(bytesOf(1, 60), { maxLength: 4 }),
  results: fc.array(bytesOf(1, 40), { maxLength: 4 }),
});

export const segmentIndex: Arbitrary<SegmentIndex> = fc
  .record({
    chainId: b32.map(asChainId),
    firstHeight: count(1_000_000),
    previousDigest: b32.map(asDigest),
    lastDigest: b32.map(asDigest),
    frames: fc.array(
      fc.record({
        blocks: count(50),
        compressedBytes: count(1000),
        bytes: count(1000),
        hash: b32.map(asHash),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })
  .map(({ chainId, firstHeight, previousDigest, lastDigest, frames }) => ({
    version: 1,
    chainId,
    firstHeight: asHeight(firstHeight),
    lastHeight: asHeight(firstHeight + frames.reduce((sum, { blocks }) => sum + blocks, 0) - 1),
    previousDigest,
    lastDigest,
    frames,
  }));

const segmentEntry: Arbitrary<Omit<SegmentEntry, 'firstHeight' | 'lastHeight'> & { blocks: number }> = fc
  .record({
    blocks: count(10_000),
    previousDigest: b32.map(asDigest),
    firstDigest: b32.map(asDigest),
    lastDigest: b32.map(asDigest),
    contentHash: b32.map(asHash),
    indexBytes: count(10_000),
    rest: count(1_000_000),
    indexHash: b32.map(asHash),
  })
  .map(({ rest, ...entry }) => ({ ...entry, bytes: entry.indexBytes + rest }));

export const segmentManifest: Arbitrary<SegmentManifest> = fc
  .record({
    chainId: b32.map(asChainId),
    writer: validatorId,
    first: count(1_000_000),
    entries: fc.array(segmentEntry, { maxLength: 4 }),
    changes: validatorSetChanges,
  })
  .map(({ chainId, writer, first, entries, changes }) => {
    const segments: SegmentEntry[] = [];
    for (const { blocks, ...entry } of entries) {
      const previous = segments.at(-1);
      const firstHeight = previous === undefined ? first : previous.lastHeight + 1;
      segments.push({
        firstHeight: asHeight(firstHeight),
        lastHeight: asHeight(firstHeight + blocks - 1),
        previousDigest: previous?.lastDigest ?? entry.previousDigest,
        firstDigest: entry.firstDigest,
        lastDigest: entry.lastDigest,
        contentHash: entry.contentHash,
        bytes: entry.bytes,
        indexBytes: entry.indexBytes,
        indexHash: entry.indexHash,
      });
    }
    return { version: 1, chainId, writer, segments, setChanges: changes.changes };
  });
