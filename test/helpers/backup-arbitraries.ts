/** fast-check arbitraries of the messages of backups: only values that the codec accepts. */
import fc, { type Arbitrary } from 'fast-check';
import type { BackupManifest, BackupPart, StatePart } from '../../src/codec/index.js';
import { asHash, asStateKey } from '../../src/types/index.js';
import { commitCertificate } from './model-arbitraries.js';
import { segmentManifest } from './segment-arbitraries.js';

const bytesOf = (min: number, max = min): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });

export const statePart: Arbitrary<StatePart> = fc.record({
  entries: fc.array(
    fc.record({
      key: fc.string({ minLength: 1, maxLength: 20 }).map(asStateKey),
      value: bytesOf(0, 40),
    }),
    { minLength: 1, maxLength: 5 },
  ),
});

const content: Arbitrary<Omit<BackupPart, 'depth'>> = fc.oneof(
  fc.constant({ entries: 0, bytes: 0, contentHash: undefined, subtree: new Uint8Array(0) }),
  fc.record({
    entries: fc.constant(1),
    bytes: fc.integer({ min: 1, max: 100_000 }),
    contentHash: bytesOf(32).map(asHash),
    subtree: bytesOf(64),
  }),
  fc.record({
    entries: fc.integer({ min: 2, max: 5000 }),
    bytes: fc.integer({ min: 1, max: 100_000 }),
    contentHash: bytesOf(32).map(asHash),
    subtree: bytesOf(32),
  }),
);

/** Parts of 4 bits each, some of them divided once. */
const parts: Arbitrary<readonly BackupPart[]> = fc
  .array(fc.tuple(fc.boolean(), content, content), { minLength: 16, maxLength: 16 })
  .map((all) =>
    all.flatMap(([isDivided, first, second]) =>
      isDivided
        ? [
            { depth: 5, ...first },
            { depth: 5, ...second },
          ]
        : [{ depth: 4, ...first }],
    ),
  );

export const backupManifest: Arbitrary<BackupManifest> = fc
  .record({
    manifest: segmentManifest,
    software: fc.string({ maxLength: 12 }),
    createdMs: fc.integer({ min: 0, max: 2 ** 45 }),
    header: bytesOf(1, 300),
    certificate: commitCertificate,
    parts,
  })
  .map(({ manifest: { chainId, writer, segments, setChanges }, ...rest }) => ({
    version: 1,
    chainId,
    writer,
    setChanges,
    segments,
    ...rest,
  }));
