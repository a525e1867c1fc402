/** The messages of sealed segments, about the first block. */
import * as codec from '../../../src/codec/index.js';
import { headerDigest, sha256 } from '../../../src/crypto/index.js';
import { asHash, asHeight } from '../../../src/types/index.js';
import type { VectorChain } from './chain.js';
import type { VectorRecorder } from './recorder.js';
import { ledger } from './types.js';
import type { VectorVotes } from './votes.js';

const made = (text: string) => asHash(sha256(new TextEncoder().encode(text)));

/** Adds a sealed block, the index of a segment that has only it, and a manifest. Sizes and hashes of what would be
 * compressed are made up, since they differ between libraries. */
export function addSegments(
  recorder: VectorRecorder,
  chain: VectorChain,
  { certificate }: VectorVotes,
): void {
  const { headerBytes, envelopes, results, genesisDigest, chainId } = chain;
  const block: codec.SealedBlock = { header: headerBytes, certificate, envelopes, results };
  recorder.add('sealed block', ledger('SealedBlock'), block, codec.encodeSealedBlock(block));
  const range = {
    firstHeight: asHeight(1),
    lastHeight: asHeight(1),
    previousDigest: genesisDigest,
    lastDigest: headerDigest(headerBytes),
  };
  const index: codec.SegmentIndex = {
    version: 1,
    chainId,
    ...range,
    frames: [{ blocks: 1, compressedBytes: 900, bytes: 1800, hash: made('frame') }],
  };
  const indexBytes = codec.encodeSegmentIndex(index);
  recorder.add('segment index', ledger('SegmentIndex'), index, indexBytes);
  const manifest: codec.SegmentManifest = {
    version: 1,
    chainId,
    writer: 'observer-1',
    segments: [
      {
        ...range,
        firstDigest: range.lastDigest,
        contentHash: made('file'),
        bytes: 8 + 900 + indexBytes.length + 12,
        indexBytes: indexBytes.length,
        indexHash: asHash(sha256(indexBytes)),
      },
    ],
    setChanges: [],
  };
  recorder.add(
    'segment manifest',
    ledger('SegmentManifest'),
    manifest,
    codec.encodeSegmentManifest(manifest),
  );
}
