import { QuaestorError } from '../types/index.js';
import { exitCodes, type ExitCode } from './exit-codes.js';

/** Ends a command with a sentence and an exit code. */
export class CommandError extends QuaestorError {
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, exitCode: ExitCode = exitCodes.failed, cause?: unknown) {
    super(code, message, {}, cause);
    this.exitCode = exitCode;
  }
}

/** The command was called in a way that makes no sense. */
export function usageError(message: string): CommandError {
  return new CommandError('USAGE', message, exitCodes.usage);
}
