import { Command } from 'commander';
import { join, relative, resolve } from 'node:path';
import type { QuaestorClient } from '../../client/index.js';
import { limits, toHex } from '../../types/index.js';
import { openProfile, openProfiles } from '../client/open-profile.js';
import { define, durationOption, InterruptedError, parse, type CommandContext } from '../command.js';
import { waitForAgreement, waitForConnections } from '../devnet/agreement.js';
import { probeReady } from '../devnet/http-probe.js';
import { openNetwork, type DevNetwork } from '../devnet/open-network.js';
import { restartCommand, showRunning } from '../devnet/screen.js';
import { Supervisor } from '../devnet/supervisor.js';
import { exitCodes, type ExitCode } from '../exit-codes.js';
import { count, formatElapsed, type Output } from '../output.js';
import { pause } from '../pause.js';
import {
  checkPaymentsFile,
  paymentsOf,
  requireSubmittable,
  writeRejectsFile,
} from '../payments/payments-file.js';
import { exitCodeOf, paymentsDocument, showPayments, showSummary, tallyOf } from '../payments/report.js';
import { Rejects, runPayments } from '../payments/run-payments.js';
import { softwareFolder } from '../version.js';
import { checkBasePort, defaultWorld } from './init.js';

interface RunOptions {
  readonly dir: string;
  readonly world: string;
  readonly validators?: number;
  readonly basePort?: number;
  readonly payments: string | false;
  readonly skipInvalid?: boolean;
  readonly once?: boolean;
  readonly timeout: number;
}

/** How often it is looked whether a validator is back. */
const pollMs = 500;
/** How often it is looked whether npm is still there. */
const parentPollMs = 500;
const defaultPayments = join(softwareFolder, 'configs', 'payments', 'treasury-2026-11.xml');

/** `quaestor devnet`. */
export function devnetCommand(): Command {
  const run = new Command('run')
    .summary('run a network of validators on this machine and pay')
    .description(
      'Starts a network of validators, one process each, on this machine, with mTLS between them and towards clients. ' +
        'Makes it on first use, resumes it afterwards. Submits the payments of a file, waits until each is final, ' +
        'verifies each receipt against nothing but the genesis, and leaves the network running until Ctrl-C.',
    )
    .option('-d, --dir <folder>', 'folder of the network', join('data', 'devnet'))
    .option('-w, --world <file>', 'world file to make the network from', defaultWorld)
    .option(
      '-n, --validators <number>',
      'number of validators (default: those of the world)',
      parse.integer(1, limits.maxValidators),
    )
    .option(
      '--base-port <port>',
      'validator k uses the ports from base + 10 k on (default: the first free range from 7100)',
      parse.integer(1024, 65_000),
    )
    .option('--payments <file>', 'payments file, pain.001.001.09 or CSV', defaultPayments)
    .option('--no-payments', 'submit nothing')
    .option('--skip-invalid', 'leave out invalid payments; a file beside the logs says which and why')
    .option(
      '--once',
      'stop after the payments; exit code 0 only if all are final, verified, and all validators agree',
    )
    .addOption(durationOption('--timeout', 'how long each payment is waited for', 60_000));
  define<RunOptions>(run, 'quaestor devnet run --once', (context, options) =>
    stoppable(context, (signal) => runDevnet({ ...context, signal }, options)),
  );
  return new Command('devnet').addCommand(run);
}

/**
 * Runs work that also stops when the terminal is closed, or when npm, which ran this process, is ended: npm passes its
 * signal on to the shell between them only.
 */
async function stoppable<T>(context: CommandContext, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const gone = new AbortController();
  const stop = (): void => gone.abort(new InterruptedError());
  process.on('SIGHUP', stop);
  const parent = process.ppid;
  const byNpm = process.env['npm_lifecycle_event'] !== undefined;
  const timer = setInterval(() => {
    if (byNpm && process.ppid !== parent) stop();
  }, parentPollMs);
  timer.unref();
  try {
    return await work(AbortSignal.any([context.signal, gone.signal]));
  } finally {
    clearInterval(timer);
    process.off('SIGHUP', stop);
  }
}

async function runDevnet(context: CommandContext, options: RunOptions): Promise<ExitCode> {
  const { output, signal } = context;
  checkBasePort(options.basePort, options.validators);
  // Before anything is started: a file that can't be submitted should be heard of at once.
  const file = options.payments === false ? undefined : await checkPaymentsFile(options.payments);
  if (file !== undefined) requireSubmittable(file, options.skipInvalid ?? false);

  const startedMs = performance.now();
  const network = await openNetwork(
    { ...options, dir: resolve(options.dir), host: '127.0.0.1', days: 825 },
    () => output.progress('Making keys, certificates and the genesis'),
  );
  const { layout, genesis, configs } = network;
  output.line(
    `${network.created ? 'New network' : 'Network'} "${genesis.network}" of ${count(configs.length, 'validator')} in ${layout.dir}`,
  );
  const supervisor = new Supervisor(network);
  await supervisor.start(signal, (text) => output.progress(text));
  const watch = new Watch(supervisor, network, context);
  const operator = await openProfile({ profile: layout.operator });
  try {
    await waitForConnections(operator.client, signal);
    output.line(
      `${count(configs.length, 'validator')} ready after ${formatElapsed(performance.now() - startedMs)}`,
    );
    const document: Record<string, unknown> = {
      dir: layout.dir,
      network: genesis.network,
      resumed: !network.created,
      validators: validatorsDocument(network, supervisor),
    };
    let exitCode: ExitCode = exitCodes.ok;
    let minHeight = 0;
    if (file !== undefined) {
      const rejects = new Rejects();
      const profiles = await openProfiles({ profile: layout.clients });
      try {
        output.line(
          `Submitting ${count(file.summary.valid, 'payment')} of ${relative(process.cwd(), file.path)}`,
        );
        const result = await runPayments({
          profiles,
          payments: paymentsOf(file, rejects.add),
          total: file.summary.valid,
          timeoutMs: options.timeout,
          maxInFlight: 64,
          signal,
          output,
        });
        output.line();
        showPayments(output, result);
        output.line();
        showSummary(output, result);
        Object.assign(document, paymentsDocument(result));
        exitCode = exitCodeOf(tallyOf(result.reports));
        minHeight = Math.max(
          0,
          ...result.reports.map(({ outcome }) => ('transaction' in outcome ? outcome.transaction.height : 0)),
        );
      } finally {
        for (const profile of profiles) profile.client.close();
      }
      if (rejects.payments.length > 0) {
        const path = join(layout.logs, 'rejects.csv');
        await writeRejectsFile(path, rejects.payments);
        output.line(`${count(rejects.payments.length, 'payment')} left out: ${path} says why`);
        document['rejects'] = path;
      }
    }
    await showAgreement(context, operator.client, configs.length, minHeight, document);
    output.line();
    if (options.once !== true) {
      showRunning(output, network, supervisor.processes);
      output.document(document);
      await watch.untilStopped();
    } else output.document(document);
    return exitCode;
  } finally {
    operator.client.close();
    output.progress('Stopping the validators');
    const clean = await supervisor.stop();
    output.progressDone();
    if (!clean) output.note(`Not all validators stopped cleanly; their logs are in ${layout.logs}`);
    else output.line(`Stopped. Everything is in ${layout.dir}`);
    if (watch.startedByOthers.length > 0) {
      output.note(`${watch.startedByOthers.join(', ')} still run: stop them where they were started.`);
    }
  }
}

async function showAgreement(
  { output, signal }: CommandContext,
  client: QuaestorClient,
  validators: number,
  minHeight: number,
  document: Record<string, unknown>,
): Promise<void> {
  const { height, stateRoot } = await waitForAgreement(client, minHeight, signal);
  output.line(
    `all ${count(validators, 'validator')} agree: height ${height}, state root ${toHex(stateRoot)}`,
  );
  document['height'] = height;
  document['stateRoot'] = toHex(stateRoot);
}

function validatorsDocument({ configs }: DevNetwork, { processes }: Supervisor): unknown {
  return configs.map(({ validator, listen, file }, index) => ({
    id: validator,
    pid: processes[index]?.pid,
    client: listen.client,
    admin: listen.admin,
    metrics: `http://127.0.0.1:${listen.http.port}/metrics`,
    start: restartCommand(file),
  }));
}

/** Reports validators that end although nobody asked them to, and those that somebody starts again. */
class Watch {
  readonly #supervisor: Supervisor;
  readonly #network: DevNetwork;
  readonly #context: CommandContext;
  /** Validators that others started in place of those that ended. */
  readonly #startedByOthers = new Set<string>();

  constructor(supervisor: Supervisor, network: DevNetwork, context: CommandContext) {
    this.#supervisor = supervisor;
    this.#network = network;
    this.#context = context;
    for (const [index, process] of supervisor.processes.entries()) {
      void process.ended.then(() => this.#ended(index));
    }
  }

  /** Validators that go on when this process ends. */
  get startedByOthers(): readonly string[] {
    return [...this.#startedByOthers];
  }

  /** Resolves at Ctrl-C. */
  async untilStopped(): Promise<void> {
    const { signal, output } = this.#context;
    while (!signal.aborted) {
      for (const [index, process] of this.#supervisor.processes.entries()) {
        if (process.end !== undefined) await this.#look(process.validator, index, output);
      }
      await pause(pollMs, signal).catch(() => undefined);
    }
  }

  /** Sees whether a validator that had ended answers again. */
  async #look(validator: string, index: number, output: Output): Promise<void> {
    const answer = await probeReady(this.#network.configs[index]?.listen.http.port ?? 0);
    const known = this.#startedByOthers.has(validator);
    if (answer?.ready === true && !known) {
      this.#startedByOthers.add(validator);
      output.note(output.colours.green(`${validator} is back and synced.`));
    } else if (answer === undefined && known) {
      this.#startedByOthers.delete(validator);
      output.note(output.colours.yellow(`${validator} does not answer any more.`));
    }
  }

  async #ended(index: number): Promise<void> {
    if (this.#supervisor.stopping || this.#context.signal.aborted) return;
    const process = this.#supervisor.processes[index];
    const config = this.#network.configs[index];
    if (process === undefined || config === undefined) return;
    const { output } = this.#context;
    output.note(`\n${output.colours.yellow(await this.#supervisor.obituary(process))}`);
    output.note(`Start it again with:\n  ${restartCommand(config.file)}`);
  }
}
