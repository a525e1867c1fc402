import { Command } from 'commander';
import { join } from 'node:path';
import {
  BackupError,
  collectBackups,
  listBackups,
  readBackup,
  takeBackup,
  trustBackup,
  verifyBackup,
  type BackupProgress,
  type TrustedBackup,
} from '../../backup/index.js';
import { loadGenesis, loadNodeConfig, type NodeConfig } from '../../config/index.js';
import { verifyZip215Natively } from '../../crypto/native/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { ObjectStoreError, openObjects, type ObjectStore } from '../../objects/index.js';
import { SegmentError } from '../../segments/index.js';
import { openStore } from '../../storage/index.js';
import { toHex } from '../../types/index.js';
import { trustGenesis, type ChainTrust } from '../../verify/index.js';
import { openNode, profileOption, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption } from '../command.js';
import { CommandError, usageError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';
import { count, type Output } from '../output.js';
import { softwareVersion } from '../version.js';

/** `quaestor backup`. */
export function backupCommand(): Command {
  return new Command('backup')
    .addCommand(takeCommand())
    .addCommand(listCommand())
    .addCommand(verifyCommand());
}

interface TakeCommandOptions extends ProfileOptions {
  readonly config: string;
  readonly offline?: boolean;
  readonly to?: string;
  readonly full?: boolean;
}

const defaultTimeoutMs = 60 * 60_000;

function takeCommand(): Command {
  const command = new Command('take')
    .summary('take a backup')
    .description(
      'Takes a backup into the place that the configuration of the node names (backup.target): the state of its last block ' +
        'and all its blocks, only what is not there yet. The node goes on meanwhile. With --offline, of the store of a node ' +
        'that does not run.',
    )
    .requiredOption('-c, --config <file>', "the node's configuration")
    .option('--offline', 'read the store of a node that does not run')
    .option('--to <location>', 'with --offline: another place than the one of the configuration')
    .option('--full', 'write every object, also what seems to be there')
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long it is waited for; it goes on anyway', defaultTimeoutMs));
  return define<TakeCommandOptions>(
    command,
    'quaestor backup take --config data/devnet/validators/validator-1/validator.yaml --profile data/devnet/operator',
    async ({ output, signal }, options) => {
      const full = options.full === true;
      if (options.offline === true) return takeOffline(output, signal, options, full);
      if (options.to !== undefined) {
        throw usageError('A node that runs backs up to where its configuration says; --to is for --offline.');
      }
      const { admin } = await openNode(options.config, options);
      try {
        const answer = await admin.backUpNow(full);
        show(output, {
          backup: answer.backup,
          height: answer.height,
          writtenObjects: answer.writtenObjects,
          writtenBytes: answer.writtenBytes,
          sizeBytes: answer.sizeBytes,
          removedBackups: answer.removedBackups,
        });
      } finally {
        admin.close();
      }
      return exitCodes.ok;
    },
  );
}

async function takeOffline(
  output: Output,
  signal: AbortSignal,
  options: TakeCommandOptions,
  full: boolean,
): Promise<0> {
  const config = await readConfig(options.config);
  const location = options.to ?? config.backup?.target;
  if (location === undefined) {
    throw usageError('Where to? Give --to LOCATION, or set backup.target in the configuration.');
  }
  const genesis = await loadGenesis(config.network.genesisFile);
  if (!genesis.ok) throw genesis.error;
  const opened = await openStore({
    dir: join(config.dataDir, 'store'),
    engine: config.storage.engine,
    chainId: genesisChainId(genesis.value),
    validator: config.validator,
    createIfMissing: false,
    migrate: false,
  });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  try {
    const objects = openObjects(location);
    const taken = await reading(() =>
      takeBackup({
        store,
        objects,
        genesisFile: config.network.genesisFile,
        writer: config.validator,
        software: softwareVersion(),
        nowMs: Date.now(),
        spoolDir: join(config.dataDir, 'backup-in-work'),
        full,
        pause: () => {
          signal.throwIfAborted();
          return Promise.resolve();
        },
        progressed: ({ stage, done, total }) =>
          output.progress(
            stage === 'blocks' ? `block ${done} of ${total}` : `state: ${Math.floor(done / 10)} %`,
          ),
      }),
    );
    output.progressDone();
    // Only where the configuration says how many are to be kept.
    const keep = options.to === undefined ? config.backup?.keep : undefined;
    const removed = keep === undefined ? undefined : await collectBackups(objects, store.chainId, keep);
    show(output, {
      backup: taken.id,
      height: taken.height,
      writtenObjects: taken.writtenObjects,
      writtenBytes: taken.writtenBytes,
      sizeBytes: taken.bytes,
      removedBackups: removed?.backups ?? 0,
    });
  } finally {
    await store.close();
  }
  return exitCodes.ok;
}

interface Taken {
  readonly backup: string;
  readonly height: number;
  readonly writtenObjects: number;
  readonly writtenBytes: number;
  readonly sizeBytes: number;
  readonly removedBackups: number;
}

function show(output: Output, taken: Taken): void {
  output.line(output.colours.green(`The backup ${taken.backup} is complete.`));
  output.line();
  output.line(`Height   ${taken.height}`);
  output.line(
    `Written  ${count(taken.writtenObjects, 'object')}, ${count(taken.writtenBytes, 'byte')} of ${taken.sizeBytes}`,
  );
  if (taken.removedBackups > 0) output.line(`Removed  ${count(taken.removedBackups, 'old backup')}`);
  output.document(taken);
}

/** Options of who reads backups. */
export interface FromOptions {
  readonly from: string;
  readonly genesis: string;
}

const placed = (command: Command): Command =>
  command
    .requiredOption('--from <location>', 'where the backups are (backup.target of a node)')
    .requiredOption('-g, --genesis <file>', 'genesis of the network, from a source that is trusted');

/** Reads one backup, the latest if none is named, and proves its manifest. */
export async function openBackup(
  { from, genesis }: FromOptions,
  id: string | undefined,
): Promise<{ readonly objects: ObjectStore; readonly id: string; readonly backup: TrustedBackup }> {
  const { objects, trust } = await openPlace({ from, genesis });
  return reading(async () => {
    const name = id ?? (await listBackups(objects)).at(-1);
    if (name === undefined) throw new BackupError('MISSING', `There is no backup in ${objects.location}.`);
    return { objects, id: name, backup: trustBackup(trust, await readBackup(objects, trust.chainId, name)) };
  });
}

async function openPlace({
  from,
  genesis,
}: FromOptions): Promise<{ readonly objects: ObjectStore; readonly trust: ChainTrust }> {
  const loaded = await loadGenesis(genesis);
  if (!loaded.ok) throw loaded.error;
  return {
    objects: openObjects(from),
    trust: trustGenesis(loaded.value, { checkSignature: verifyZip215Natively }),
  };
}

/** What was read does not hold; everything else has failed. */
const unverified = new Set<string>([
  'MALFORMED',
  'HASH_MISMATCH',
  'MISSING',
  'WRONG_CHAIN',
  'NOT_PROVEN',
  'BROKEN_LINK',
  'NOT_FINAL',
]);

/** Turns what reading may find into the end of the command. */
export async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof BackupError || error instanceof SegmentError) {
      const prefix = error instanceof BackupError ? 'BACKUP' : 'SEGMENT';
      const exitCode = unverified.has(error.code) ? exitCodes.unverified : exitCodes.failed;
      throw new CommandError(`${prefix}_${error.code}`, error.message, exitCode);
    }
    if (error instanceof ObjectStoreError)
      throw new CommandError(error.code, error.message, exitCodes.failed);
    throw error;
  }
}

/** The configuration of a node, whose own files are not needed. */
export async function readConfig(file: string): Promise<NodeConfig> {
  const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
  const loaded = await loadNodeConfig(file, environment, { checkFiles: false });
  if (!loaded.ok) throw loaded.error;
  return loaded.value;
}

function listCommand(): Command {
  const command = placed(
    new Command('list')
      .summary('list backups')
      .description('Lists the backups in a place, oldest first. Each is proven as far as its manifest goes.'),
  );
  return define<FromOptions>(
    command,
    'quaestor backup list --from /var/backups/quaestor/alpha --genesis genesis.yaml',
    async ({ output }, options) => {
      const { objects, trust } = await openPlace(options);
      const rows = await reading(async () => {
        const found: Record<string, string | number>[] = [];
        for (const id of await listBackups(objects)) {
          const { manifest, certified } = trustBackup(trust, await readBackup(objects, trust.chainId, id));
          const { parts, segments } = manifest;
          found.push({
            backup: id,
            height: certified.header.height,
            digest: toHex(certified.digest),
            time: new Date(manifest.createdMs).toISOString(),
            node: manifest.writer,
            firstBlock: segments[0]?.firstHeight ?? certified.header.height,
            sizeBytes: [...parts, ...segments].reduce((sum, { bytes }) => sum + bytes, 0),
          });
        }
        return found;
      });
      output.table(
        ['backup', '>height', 'time', 'node', '>first block', '>bytes'],
        rows.map(({ backup, height, time, node, firstBlock, sizeBytes }) =>
          [backup, height, time, node, firstBlock, sizeBytes].map(String),
        ),
      );
      output.document({ backups: rows });
      return exitCodes.ok;
    },
  );
}

function verifyCommand(): Command {
  const command = placed(
    new Command('verify')
      .summary('verify a backup')
      .description(
        'Reads a whole backup and proves it against nothing but a genesis file: certificate, every part of the state, every ' +
          'block. What it says, a restore will find.',
      ),
  ).option('--backup <name>', 'which one (default: the latest)');
  return define<FromOptions & { readonly backup?: string }>(
    command,
    'quaestor backup verify --from /var/backups/quaestor/alpha --genesis genesis.yaml',
    async ({ output, signal }, options) => {
      const { objects, id, backup } = await openBackup(options, options.backup);
      const { entries, transactions } = await reading(() =>
        verifyBackup(objects, backup, (progress) => output.progress(progressText(progress)), signal),
      );
      output.progressDone();
      const { header, digest, signers } = backup.certified;
      output.line(output.colours.green(`The backup ${id} holds.`));
      output.line();
      output.line(`Block         ${header.height}`);
      output.line(`Digest        ${toHex(digest)}`);
      output.line(`Committed by  ${signers.join(', ')}`);
      output.line(`State         ${count(entries, 'entry', 'entries')}`);
      output.line(`Transactions  ${transactions}`);
      output.document({
        holds: true,
        backup: id,
        height: header.height,
        digest: toHex(digest),
        stateRoot: toHex(header.stateRoot),
        signers,
        entries,
        transactions,
      });
      return exitCodes.ok;
    },
  );
}

/** How far reading is, on one line. */
export function progressText({ stage, done, total }: BackupProgress): string {
  return stage === 'blocks' ? `block ${done} of ${total}` : `part ${done} of ${total} of the state`;
}
