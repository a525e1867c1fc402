import { Command } from 'commander';
import { rm, rmdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { auditStore, type AuditProgress, type AuditReport } from '../../audit/index.js';
import { formatAmount, formatDuration, loadGenesis, loadNodeConfig } from '../../config/index.js';
import { toHex } from '../../types/index.js';
import { define, parse } from '../command.js';
import { usageError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';
import { count, type Output } from '../output.js';
import { verifyReceiptCommand } from './verify-receipt.js';

/** `quaestor verify`. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('Checks what a node has, or said, with nothing but the genesis file. Needs no network.')
    .addCommand(verifyChainCommand())
    .addCommand(verifyReceiptCommand('receipt', 'quaestor verify receipt'));
}

interface ChainOptions {
  readonly genesis?: string;
  readonly config?: string;
  readonly store?: string;
  readonly work: string;
  readonly keepWork?: boolean;
  readonly threads: number;
}

const defaultWork = 'quaestor-verify-work';

function verifyChainCommand(): Command {
  const command = new Command('chain')
    .summary("audit a node's store")
    .description(
      'Audits the store of a node that does not run: executes every block again from the genesis on, with every signature, ' +
        'certificate, root and rule, compares every record of the store with what follows, and checks that all balances add ' +
        'up. Says what is wrong first. Needs as much disk as the store has; goes on where it was interrupted. Exit code 4 if ' +
        'something is wrong.',
    )
    .option('-g, --genesis <file>', 'genesis of the network, from a source that is trusted')
    .option('-s, --store <folder>', 'the store: the folder "store" of a data folder, or a copy of it')
    .option('-c, --config <file>', "instead of both: the node's configuration")
    .option('-w, --work <folder>', 'where the chain is executed again', defaultWork)
    .option('--keep-work', 'do not remove that folder when the audit is done')
    .option(
      '--threads <number>',
      'threads that check signatures (default: one for each processor)',
      parse.integer(1, 256),
      availableParallelism(),
    );
  return define<ChainOptions>(
    command,
    'quaestor verify chain --genesis genesis.yaml --store /backup/validator-1/store',
    async ({ output, signal }, options) => {
      const { genesisFile, storeDir } = await placesOf(options);
      const genesis = await loadGenesis(genesisFile);
      if (!genesis.ok) throw genesis.error;
      const progress = progressOf();
      const audited = await auditStore({
        genesis: genesis.value,
        storeDir,
        workDir: options.work,
        threads: options.threads,
        signal,
        progressed: (now) => output.progress(progress(now)),
      });
      output.progressDone();
      if (audited.ok && options.keepWork !== true) await removeWork(options.work);
      if (!audited.ok) {
        const { code, height, message } = audited.error;
        output.line(output.colours.red('The store does not hold.'));
        output.line();
        output.line(message);
        output.document({ holds: false, code, height, message });
        output.note(`What was executed until there is kept in ${options.work}.`);
        return exitCodes.unverified;
      }
      const exponents = new Map(genesis.value.assets.map(({ asset, exponent }) => [asset, exponent]));
      show(output, audited.value, exponents);
      const { assets, ...report } = audited.value;
      output.document({ holds: true, ...report, assets: Object.fromEntries(assets) });
      return exitCodes.ok;
    },
  );
}

/** Where the genesis and the store are. */
async function placesOf({
  genesis,
  store,
  config,
}: ChainOptions): Promise<{ readonly genesisFile: string; readonly storeDir: string }> {
  if (config === undefined) {
    if (genesis === undefined || store === undefined) {
      throw usageError(
        'Name the genesis and the store (--genesis, --store), or the configuration of the node (--config).',
      );
    }
    return { genesisFile: genesis, storeDir: store };
  }
  const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
  const loaded = await loadNodeConfig(config, environment);
  if (!loaded.ok) throw loaded.error;
  const { dataDir, network } = loaded.value;
  return { genesisFile: genesis ?? network.genesisFile, storeDir: store ?? join(dataDir, 'store') };
}

/** Removes what the audit has put into the folder, and the folder itself when nothing else is in it. */
async function removeWork(work: string): Promise<void> {
  await rm(join(work, 'store'), { recursive: true, force: true });
  await rmdir(work).catch(() => undefined);
}

/** Says how far an audit is, how quick, and how long the blocks will take. */
function progressOf(): (progress: AuditProgress) => string {
  const startedMs = performance.now();
  let first: number | undefined;
  return ({ stage, done, total, transactions }) => {
    if (stage === 'records') return `Comparing the records: ${done}`;
    if (stage === 'state') return `Adding up the state: ${done} records`;
    first ??= done;
    const elapsedMs = Math.max(1, performance.now() - startedMs);
    const rate = Math.round((transactions * 1000) / elapsedMs);
    const executing = `Executing block ${done} of ${total ?? '?'}, ${rate} transactions a second`;
    if (total === undefined || done === first) return executing;
    const leftMs = ((total - done) * elapsedMs) / (done - first);
    return `${executing}, ${formatDuration(Math.ceil(leftMs / 1000) * 1000)} left`;
  };
}

function show(output: Output, report: AuditReport, exponents: ReadonlyMap<string, number>): void {
  const { validator, height, digest, stateRoot, transactions, records, validatorSets, evidence, assets } =
    report;
  output.line(output.colours.green('The store holds.'));
  output.line();
  output.line(`Store of        ${validator}`);
  output.line(
    `Blocks          ${count(height, 'block')}, ${count(transactions, 'transaction')} executed again`,
  );
  output.line(`Last block      ${toHex(digest)}`);
  output.line(`State root      ${toHex(stateRoot)}`);
  output.line(`Records         ${count(records, 'record')} compared`);
  output.line(`Validator sets  ${validatorSets}`);
  output.line(
    `Evidence        ${evidence === 0 ? 'none' : count(evidence, 'proof of equivocation', 'proofs of equivocation')}`,
  );
  output.line();
  output.table(
    ['asset', '>issued', '>burned', '>held'],
    [...assets].map(([asset, { issued, burned, held }]) => {
      const exponent = exponents.get(asset);
      // An asset that was defined later than the genesis: in minor units.
      const text = (amount: bigint): string =>
        exponent === undefined ? amount.toString() : formatAmount(amount, exponent);
      return [asset, text(issued), text(burned), text(held)];
    }),
  );
}
