/** What all commands have in common: options, output, errors, exit codes. */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { formatDuration, parseDuration } from '../config/index.js';
import { exitCodes, type ExitCode } from './exit-codes.js';
import { Output, renderJson } from './output.js';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** What a command's work is given. */
export interface CommandContext {
  readonly output: Output;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

type Work<Options, Arguments extends readonly unknown[]> = (
  context: CommandContext,
  options: Options & CommonOptions,
  ...args: Arguments
) => Promise<ExitCode | undefined>;

/** Adds the common options and the work to a command. `example` is shown in its help. */
export function define<Options, Arguments extends readonly unknown[] = []>(
  command: Command,
  example: string,
  work: Work<Options, Arguments>,
): Command {
  return command
    .option('--json', 'write the result as JSON')
    .addOption(new Option('--debug', 'show where an error comes from'))
    .addHelpText('after', `\nExample:\n${example.replace(/^/gm, '  ')}`)
    .action(async (...all: unknown[]) => {
      // commander gives the positional arguments, then the options, then the command.
      const options = all.at(-2) as Options & CommonOptions;
      const args = all.slice(0, -2) as unknown as Arguments;
      process.exitCode = await run(options, (context) => work(context, options, ...args));
    });
}

/** Runs a command's work; shows how it failed; gives the exit code. */
async function run(
  options: CommonOptions,
  work: (context: CommandContext) => Promise<ExitCode | undefined>,
): Promise<ExitCode> {
  const output = new Output({ json: options.json ?? false });
  const interrupt = new AbortController();
  const stop = (): void => {
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
    interrupt.abort(new InterruptedError());
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return (await work({ output, signal: interrupt.signal })) ?? exitCodes.ok;
  } catch (error) {
    output.progressDone();
    if (error instanceof InterruptedError) {
      output.note('Stopped.');
      return exitCodes.interrupted;
    }
    const { failureOf } = await import('./failure.js');
    const { exitCode, ...failure } = failureOf(error);
    if (output.json) process.stdout.write(`${renderJson({ error: failure }, 2)}\n`);
    output.note(`${output.colours.red('error:')} ${failure.message}`);
    if (options.debug === true && error instanceof Error) output.note(debugText(error));
    return exitCode;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** Ctrl-C. */
export class InterruptedError extends Error {}

function debugText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${debugText(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

/** An option that takes a duration. */
export function durationOption(name: string, description: string, defaultMs?: number): Option {
  const option = new Option(`${name} <duration>`, description).argParser(parse.durationMs);
  return defaultMs === undefined ? option : option.default(defaultMs, formatDuration(defaultMs));
}

/** Parsers of option values: what they throw is shown by commander with the option's name. */
export const parse = {
  durationMs: (text: string): number => {
    const ms = parseDuration(text);
    if (ms === undefined || ms <= 0) {
      throw new InvalidArgumentError('Expected a duration with a unit, such as "500ms", "10s" or "2m".');
    }
    return ms;
  },

  integer:
    (min: number, max: number) =>
    (text: string): number => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= min && value <= max)) {
        throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
      }
      return value;
    },
};
