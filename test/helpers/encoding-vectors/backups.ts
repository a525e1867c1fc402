/** The messages of backups, about the first block and a state that is made up. */
import * as codec from '../../../src/codec/index.js';
import { headerDigest, sha256, subtreeOf } from '../../../src/crypto/index.js';
import { asHash, asHeight, asStateKey } from '../../../src/types/index.js';
import type { VectorChain } from './chain.js';
import type { VectorRecorder } from './recorder.js';
import { ledger } from './types.js';
import type { VectorVotes } from './votes.js';

const text = (value: string) => new TextEncoder().encode(value);
const made = (value: string) => asHash(sha256(text(value)));

/** Adds a part of a state with one entry, and a manifest of sixteen parts of which it is the first. */
export function addBackups(recorder: VectorRecorder, chain: VectorChain, { certificate }: VectorVotes): void {
  const { headerBytes, genesisDigest, chainId } = chain;
  const part: codec.StatePart = {
    entries: [{ key: asStateKey('account/A1'), value: text('a value') }],
  };
  const partBytes = codec.encodeStatePart(part);
  recorder.add('state part', ledger('StatePart'), part, partBytes);
  const digest = headerDigest(headerBytes);
  const manifest: codec.BackupManifest = {
    version: 1,
    chainId,
    writer: 'validator-1',
    software: '1.0.0',
    createdMs: 1_700_000_000_000,
    header: headerBytes,
    certificate,
    setChanges: [],
    parts: Array.from({ length: 16 }, (_, index) =>
      index === 0
        ? {
            depth: 4,
            entries: 1,
            bytes: partBytes.length,
            contentHash: asHash(sha256(partBytes)),
            subtree: subtreeOf(part.entries, 4),
          }
        : { depth: 4, entries: 0, bytes: 0, contentHash: undefined, subtree: new Uint8Array(0) },
    ),
    segments: [
      {
        firstHeight: asHeight(1),
        lastHeight: asHeight(1),
        previousDigest: genesisDigest,
        firstDigest: digest,
        lastDigest: digest,
        contentHash: made('file'),
        bytes: 1000,
        indexBytes: 180,
        indexHash: made('index'),
      },
    ],
  };
  recorder.add('backup manifest', ledger('BackupManifest'), manifest, codec.encodeBackupManifest(manifest));
}
