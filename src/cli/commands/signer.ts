import { Command } from 'commander';
import { loadSignerConfig, type SignerConfig } from '../../config/index.js';
import type { RunningSignerProcess } from '../../signer/index.js';
import { createLogger, type Logger } from '../../telemetry/index.js';
import { limits, QuaestorError } from '../../types/index.js';
import { CommandError } from '../command-error.js';
import { define, parse } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { watchCertificates } from '../network-folder/certificate-watch.js';
import { softwareVersion } from '../version.js';

/** `quaestor signer`. */
export function signerCommand(): Command {
  return new Command('signer')
    .description(
      "Holds a validator's key in a process of its own, which signs nothing that contradicts what it has signed before, whatever becomes of the validator (docs/signer.md).",
    )
    .addCommand(initCommand())
    .addCommand(startCommand());
}

interface InitOptions {
  readonly config: string;
  readonly fromHeight: number;
  readonly fromView: number;
}

function initCommand(): Command {
  const command = new Command('init')
    .summary('make the memory of a signer')
    .description(
      'Makes the memory of a signer (stateDir). For a key that has signed before, also elsewhere, name a height and a view above all that it may have signed in: docs/signer.md says how to find them.',
    )
    .requiredOption('-c, --config <file>', 'configuration (configs/signer.yaml explains every field)')
    .option(
      '--from-height <number>',
      'nothing is signed up to this height',
      parse.integer(0, limits.maxHeight),
      0,
    )
    .option(
      '--from-view <number>',
      'nothing is signed in a view below this one',
      parse.integer(0, limits.maxView),
      0,
    );
  return define<InitOptions>(
    command,
    'quaestor signer init --config signer.yaml',
    async ({ output }, { config: file, fromHeight, fromView }) => {
      const config = await load(file);
      const { initSigner } = await import('../../signer/index.js');
      await initSigner(config, { height: fromHeight, view: fromView });
      output.line(`Memory  ${config.stateDir}`);
      output.document({ stateDir: config.stateDir, fromHeight, fromView });
      return undefined;
    },
  );
}

function startCommand(): Command {
  const command = new Command('start')
    .summary('run a signer')
    .description(
      'Runs a signer until SIGTERM or Ctrl-C. Without a password file in its configuration it asks for the password at the terminal. New certificate files are used within seconds, or at once after SIGHUP.',
    )
    .requiredOption('-c, --config <file>', 'configuration (configs/signer.yaml explains every field)');
  return define<{ readonly config: string }>(
    command,
    'quaestor signer start --config signer.yaml',
    async ({ signal }, options) => {
      const config = await load(options.config);
      const log = createLogger({ ...config.log, fields: { signer: config.validator } });
      for (const warning of config.warnings) log.warn({ code: 'CONFIG_WARNING' }, warning);
      const version = softwareVersion();
      log.info({ code: 'NODE_STARTING', version, pid: process.pid, config: config.file }, 'Starting.');
      const { startSigner } = await import('../../signer/index.js');
      const signer = await startSigner({ config, log, version });
      try {
        await runUntilStopped(signer, config, log, signal);
      } finally {
        await signer.stop();
        log.info({ code: 'NODE_STOPPED' }, 'Stopped.');
        if (process.connected) process.disconnect();
      }
      return exitCodes.ok;
    },
  );
}

async function load(file: string): Promise<SignerConfig> {
  const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
  const loaded = await loadSignerConfig(file, environment);
  if (!loaded.ok) throw loaded.error;
  return loaded.value;
}

async function runUntilStopped(
  signer: RunningSignerProcess,
  config: SignerConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const reload = (): void => {
    signer.reloadCertificates().catch((error: unknown) => {
      const reason = error instanceof QuaestorError ? error.message : String(error);
      log.error({ code: 'CERTIFICATE_REJECTED', reason }, 'The new certificate files cannot be used.');
    });
  };
  const watch = watchCertificates([config.tls], reload);
  process.on('SIGHUP', reload);
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    if (signal.aborted) resolve(undefined);
    if (process.connected) process.once('disconnect', () => resolve(undefined));
  });
  try {
    const reason = await Promise.race([stopped, signer.failed]);
    if (reason !== undefined) {
      log.error({ code: 'NODE_FAILED', reason }, 'This signer cannot go on.');
      throw new CommandError('NODE_FAILED', `The signer cannot go on: ${reason}`);
    }
  } finally {
    watch.stop();
    process.off('SIGHUP', reload);
  }
}
