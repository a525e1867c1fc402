import { Command } from 'commander';
import type { SegmentEntry, SegmentManifest } from '../../codec/index.js';
import { loadGenesis } from '../../config/index.js';
import { verifyZip215Natively } from '../../crypto/native/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { ObjectStoreError, openObjects, type ObjectStore } from '../../objects/index.js';
import {
  readManifest,
  SegmentError,
  segmentOf,
  SegmentReader,
  trustManifest,
  verifySealedBlock,
  verifySegment,
} from '../../segments/index.js';
import { asHeight, limits, toHex } from '../../types/index.js';
import { trustGenesis, type ChainTrust } from '../../verify/index.js';
import { define, parse } from '../command.js';
import { CommandError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';
import { count } from '../output.js';

interface SegmentsOptions {
  readonly segments: string;
  readonly genesis: string;
}

/** `quaestor segments`. */
export function segmentsCommand(): Command {
  return new Command('segments')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(verifyCommand());
}

const placed = (command: Command): Command =>
  command
    .requiredOption('-s, --segments <folder>', 'where the segments are (storage.segments.location of a node)')
    .requiredOption('-g, --genesis <file>', 'genesis of the network, from a source that is trusted');

interface Opened {
  readonly objects: ObjectStore;
  readonly manifest: SegmentManifest;
  /** Knows all validator sets that the manifest leads to. */
  readonly trust: ChainTrust;
}

/** Reads the manifest; what is in it is proven by the genesis alone. Rejects with a CommandError. */
async function openSegments({ segments, genesis }: SegmentsOptions): Promise<Opened> {
  const loaded = await loadGenesis(genesis);
  if (!loaded.ok) throw loaded.error;
  const objects = openObjects(segments);
  return reading(async () => {
    const manifest = await readManifest(objects, genesisChainId(loaded.value));
    if (manifest === undefined) {
      throw new SegmentError('MISSING', `There is no manifest of segments in ${objects.location}.`);
    }
    const first = trustGenesis(loaded.value, { checkSignature: verifyZip215Natively });
    return { objects, manifest, trust: trustManifest(first, manifest) };
  });
}

/** Turns what reading may find into the end of the command. */
async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SegmentError) {
      throw new CommandError(`SEGMENT_${error.code}`, error.message, exitCodes.unverified);
    }
    if (error instanceof ObjectStoreError)
      throw new CommandError(error.code, error.message, exitCodes.failed);
    throw error;
  }
}

function listCommand(): Command {
  const command = placed(
    new Command('list')
      .summary('list sealed segments')
      .description('Lists the segments of old blocks that a node has sealed, as their manifest has them.'),
  );
  return define<SegmentsOptions>(
    command,
    'quaestor segments list --segments /var/lib/quaestor-segments/alpha --genesis genesis.yaml',
    async ({ output }, options) => {
      const { manifest } = await openSegments(options);
      const { segments, writer } = manifest;
      output.table(
        ['>first block', '>last block', '>bytes', 'file'],
        segments.map((entry) => [
          String(entry.firstHeight),
          String(entry.lastHeight),
          String(entry.bytes),
          toHex(entry.contentHash),
        ]),
      );
      output.document({ writer, segments: segments.map(entryDocument) });
      return exitCodes.ok;
    },
  );
}

function showCommand(): Command {
  const command = placed(
    new Command('show')
      .summary('show one sealed block')
      .description(
        'Reads one block from its segment and proves it against nothing but a genesis file. Needs no node: two small reads.',
      ),
  ).argument('<height>', 'height of the block', parse.integer(1, limits.maxHeight));
  return define<SegmentsOptions, [number]>(
    command,
    'quaestor segments show 17 --segments /var/lib/quaestor-segments/alpha --genesis genesis.yaml',
    async ({ output }, options, number) => {
      const { objects, manifest, trust } = await openSegments(options);
      const height = asHeight(number);
      const { certified, results } = await reading(async () => {
        const entry = segmentOf(manifest, height);
        if (entry === undefined) {
          const last = manifest.segments.at(-1)?.lastHeight ?? 0;
          throw new SegmentError(
            'MISSING',
            `No segment has block ${height}; they are of blocks ${manifest.segments[0]?.firstHeight ?? 0} to ${last}.`,
          );
        }
        const reader = await SegmentReader.open(objects, entry);
        return verifySealedBlock(trust, height, await reader.block(height));
      });
      const { header, digest, signers } = certified;
      output.line(output.colours.green('The block holds.'));
      output.line();
      output.line(`Block          ${header.height}`);
      output.line(`Digest         ${toHex(digest)}`);
      output.line(`Time           ${new Date(header.timeMs).toISOString()}`);
      output.line(`Committed by   ${signers.join(', ')}`);
      output.line();
      output.table(
        ['>', 'transaction', 'result'],
        results.map(({ txId, code }, index) => [String(index), toHex(txId), code]),
      );
      output.document({
        holds: true,
        height: header.height,
        digest: toHex(digest),
        time: new Date(header.timeMs).toISOString(),
        signers,
        transactions: results.map(({ txId, code }) => ({ txId: toHex(txId), code })),
      });
      return exitCodes.ok;
    },
  );
}

function verifyCommand(): Command {
  const command = placed(
    new Command('verify')
      .summary('verify all sealed blocks')
      .description(
        'Verifies every segment against nothing but a genesis file: that no byte differs from what was sealed, that the ' +
          'blocks follow each other without a gap, that a quorum of validators committed each, and that it has exactly ' +
          'these transactions and results.',
      ),
  ).option(
    '--from <height>',
    'leave out segments that end below this height',
    parse.integer(1, limits.maxHeight),
    1,
  );
  return define<SegmentsOptions & { readonly from: number }>(
    command,
    'quaestor segments verify --segments /var/lib/quaestor-segments/alpha --genesis genesis.yaml',
    async ({ output, signal }, options) => {
      const { objects, manifest, trust } = await openSegments(options);
      const wanted = manifest.segments.filter(({ lastHeight }) => lastHeight >= options.from);
      let blocks = 0;
      let transactions = 0;
      await reading(async () => {
        for (const entry of wanted) {
          await verifySegment(objects, trust, entry, ({ results, certified }) => {
            signal.throwIfAborted();
            blocks++;
            transactions += results.length;
            output.progress(`block ${certified.header.height} of ${wanted.at(-1)?.lastHeight ?? 0}`);
          });
        }
      });
      output.progressDone();
      const [from, to] = [wanted[0]?.firstHeight ?? 0, wanted.at(-1)?.lastHeight ?? 0];
      output.line(output.colours.green('The segments hold.'));
      output.line();
      output.line(
        `Blocks ${from} to ${to}: ${count(blocks, 'block')}, ${count(transactions, 'transaction')}, ${count(wanted.length, 'segment')}.`,
      );
      output.document({ holds: true, from, to, blocks, transactions, segments: wanted.length });
      return exitCodes.ok;
    },
  );
}

const entryDocument = (entry: SegmentEntry): Record<string, unknown> => ({
  firstHeight: entry.firstHeight,
  lastHeight: entry.lastHeight,
  bytes: entry.bytes,
  file: toHex(entry.contentHash),
  firstDigest: toHex(entry.firstDigest),
  lastDigest: toHex(entry.lastDigest),
});
