import { Command } from 'commander';
import { loadNodeConfig, type NodeConfig, type TlsFiles } from '../../config/index.js';
import type { RunningValidator } from '../../node/validator.js';
import { createLogger, RecentLines, standardOutput, type Logger } from '../../telemetry/index.js';
import { QuaestorError } from '../../types/index.js';
import { define } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError } from '../command-error.js';
import { watchCertificates } from '../network-folder/certificate-watch.js';
import { softwareVersion } from '../version.js';

interface StartOptions {
  readonly config: string;
}

/** `quaestor start`. */
export function startCommand(): Command {
  const command = new Command('start')
    .description(
      'Runs one validator or observer until SIGTERM or Ctrl-C, which stop it cleanly. New certificate files are used within seconds, ' +
        'or at once after SIGHUP, which also reads the limits of clients (api.limits) again. Logs go to standard output.',
    )
    .requiredOption('-c, --config <file>', 'configuration (configs/validator.yaml explains every field)');
  return define<StartOptions>(
    command,
    'quaestor start --config data/devnet/validators/validator-1/validator.yaml',
    async ({ signal }, options) => {
      // That one is for the commands of clients.
      const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
      const { validator, config, log, failed } = await launch(options.config, environment);
      try {
        await runUntilStopped(validator, config, log, signal, failed);
      } finally {
        log.info({ code: 'NODE_STOPPING' }, 'Stopping.');
        await validator.stop();
        log.info({ code: 'NODE_STOPPED' }, 'Stopped.');
        // The channel to `quaestor devnet` would keep this process alive.
        if (process.connected) process.disconnect();
      }
      return exitCodes.ok;
    },
  );
}

/** Reads the configuration and starts the node. */
async function launch(
  file: string,
  environment: NodeJS.ProcessEnv,
): Promise<{
  readonly validator: RunningValidator;
  readonly config: NodeConfig;
  readonly log: Logger;
  readonly failed: Promise<string>;
}> {
  const loaded = await loadNodeConfig(file, environment);
  if (!loaded.ok) throw loaded.error;
  const config = loaded.value;
  const recent = new RecentLines(standardOutput());
  const log = createLogger({ ...config.log, fields: { validator: config.validator }, sink: recent });
  for (const warning of config.warnings) log.warn({ code: 'CONFIG_WARNING' }, warning);
  const version = softwareVersion();
  log.info({ code: 'NODE_STARTING', version, pid: process.pid, config: config.file }, 'Starting.');
  const failed = defects(log);
  // Here, so that the help need not load a node.
  const { runNode } = await import('../../node/run.js');
  const validator = await runNode({ config, log, version, recentLines: () => recent.list() }).catch(
    (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ code: 'NODE_FAILED', reason }, 'This validator could not start.');
      throw error;
    },
  );
  return { validator, config, log, failed };
}

async function runUntilStopped(
  validator: RunningValidator,
  config: NodeConfig,
  log: Logger,
  signal: AbortSignal,
  defect: Promise<string>,
): Promise<void> {
  const reload = (): void => void reloadCertificates(validator, log);
  const reloadAll = (): void => {
    reload();
    void reloadLimits(validator, config.file, log);
  };
  const watch = watchCertificates([config.tls.peer, config.tls.client, ...remoteTls(config)], reload);
  process.on('SIGHUP', reloadAll);
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    if (signal.aborted) resolve(undefined);
    // Started by `quaestor devnet`, which has gone: nobody would stop this process.
    if (process.connected) process.once('disconnect', () => resolve(undefined));
  });
  try {
    const reason = await Promise.race([stopped, validator.failed, defect]);
    if (reason !== undefined) {
      log.error({ code: 'NODE_FAILED', reason }, 'This validator cannot go on.');
      throw new CommandError('NODE_FAILED', `${config.validator} cannot go on: ${reason}`);
    }
  } finally {
    watch.stop();
    process.off('SIGHUP', reloadAll);
  }
}

/** Certificates for remote signers. */
function remoteTls({ key, nextKey }: NodeConfig): readonly TlsFiles[] {
  return [key, nextKey].flatMap((source) => (source?.kind === 'remote' ? [source.tls] : []));
}

async function reloadCertificates(validator: RunningValidator, log: Logger): Promise<void> {
  try {
    await validator.reloadCertificates();
  } catch (error) {
    const reason = error instanceof QuaestorError ? error.message : String(error);
    log.error({ code: 'CERTIFICATE_REJECTED', reason }, 'The new certificate files cannot be used.');
  }
}

/** Takes the limits of clients from the configuration as it is now; the rest of it is read at the next start. */
async function reloadLimits(validator: RunningValidator, file: string, log: Logger): Promise<void> {
  const { QUAESTOR_PROFILE: _profile, ...environment } = process.env;
  const loaded = await loadNodeConfig(file, environment);
  if (loaded.ok) validator.useLimits(loaded.value);
  else
    log.error({ code: 'CONFIG_REJECTED', reason: loaded.error.message }, 'The configuration cannot be used.');
}

/** Resolves when an exception that nobody handled shows a defect: the node stops instead of going on in doubt. */
function defects(log: Logger): Promise<string> {
  return new Promise((resolve) => {
    const report = (error: unknown): void => {
      log.error(
        { code: 'NODE_FAILED', err: error },
        'An error that nobody handled: a defect of this software.',
      );
      resolve(
        `an error that nobody handled (${error instanceof Error ? error.message : String(error)}); the log has the details.`,
      );
    };
    process.on('uncaughtException', report);
    process.on('unhandledRejection', report);
  });
}
