/**
 * test/vectors/segments/segment.json is a segment as another implementation may have written it: it stays readable. It is
 * kept; UPDATE_VECTORS=1 writes another one.
 */
import { expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { decodeGenesis, decodeSegmentManifest, encodeGenesis } from '../../../src/codec/index.js';
import { chainIdOf } from '../../../src/crypto/index.js';
import { manifestKey, readManifest, segmentKey, verifySegment } from '../../../src/segments/index.js';
import { toHex } from '../../../src/types/index.js';
import { trustGenesis } from '../../../src/verify/index.js';
import { MemoryObjects, sealChain } from '../../helpers/segments.js';
import { checkByOpenSsl, SignedChain } from '../../helpers/signed-chain.js';
import { hex, readVectors } from '../../helpers/vectors.js';

interface SegmentVector {
  readonly description: string;
  /** Canonical Genesis. */
  readonly genesis: string;
  readonly manifest: string;
  /** Files by their keys. */
  readonly files: Readonly<Record<string, string>>;
  /** What the blocks have. */
  readonly blocks: readonly {
    readonly height: number;
    readonly digest: string;
    readonly codes: readonly string[];
  }[];
}

if (process.env['UPDATE_VECTORS'] === '1') {
  const chain = await SignedChain.create(4, 'segments');
  const blocks = [await chain.append({ transactions: 2 }), await chain.append(), await chain.append()];
  const objects = new MemoryObjects();
  await sealChain(objects, chain, blocks, 2);
  const vector: SegmentVector = {
    description:
      'Three blocks of four validators in two segments (docs/segments.md). All bytes in hexadecimal.',
    genesis: toHex(encodeGenesis(chain.genesis)),
    manifest: toHex(objects.objects.get(manifestKey)!),
    files: Object.fromEntries(
      [...objects.objects].filter(([key]) => key !== manifestKey).map(([key, bytes]) => [key, toHex(bytes)]),
    ),
    blocks: blocks.map(({ header, digest, results }) => ({
      height: header.height,
      digest: toHex(digest),
      codes: results.map((_, index) => (index % 3 === 2 ? 'ACCOUNT_EXISTS' : 'OK')),
    })),
  };
  writeFileSync(
    new URL('../../vectors/segments/segment.json', import.meta.url),
    `${JSON.stringify(vector, null, 2)}\n`,
  );
}

it('a segment that was written once stays readable, and its blocks are proven', async () => {
  const vector = readVectors<SegmentVector>('segments/segment.json');
  const genesis = decodeGenesis(hex(vector.genesis));
  const manifest = decodeSegmentManifest(hex(vector.manifest));
  if (!genesis.ok || !manifest.ok) throw new Error('the vector can not be decoded');
  const objects = new MemoryObjects();
  objects.objects.set(manifestKey, hex(vector.manifest));
  for (const [key, file] of Object.entries(vector.files)) objects.objects.set(key, hex(file));
  const trust = trustGenesis(genesis.value, { checkSignature: checkByOpenSsl });
  const found: SegmentVector['blocks'][number][] = [];
  const read = await readManifest(objects, chainIdOf(hex(vector.genesis)));
  for (const entry of read?.segments ?? []) {
    expect(Object.keys(vector.files)).toContain(segmentKey(entry.contentHash));
    await verifySegment(objects, trust, entry, ({ certified, results }) => {
      const codes = results.map(({ code }) => code);
      found.push({ height: certified.header.height, digest: toHex(certified.digest), codes });
    });
  }
  expect(found).toEqual(vector.blocks);
});
