/** From what went wrong to a sentence and an exit code. */
import {
  OutcomeUnknownError,
  RefusedError,
  RequestError,
  TransactionFailedError,
  UnavailableError,
  VerificationError,
} from '../client/index.js';
import { ConfigError } from '../config/index.js';
import { QuaestorError } from '../types/index.js';
import { VerifyError } from '../verify/index.js';
import { CommandError } from './command-error.js';
import { exitCodes, type ExitCode } from './exit-codes.js';

/** Why a command ended, for people and for programs. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly exitCode: ExitCode;
  readonly details?: Readonly<Record<string, string>>;
}

/** What an error means for whoever called the command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) {
    return { code: error.code, message: error.message, exitCode: error.exitCode };
  }
  if (error instanceof QuaestorError) {
    const { code, details } = error;
    return { code, message: messageOf(error), exitCode: exitCodeOf(error), details };
  }
  const system = systemFailure(error);
  if (system !== undefined) return { code: 'SYSTEM', message: system, exitCode: exitCodes.failed };
  const text = error instanceof Error ? error.message : String(error);
  return {
    code: 'DEFECT',
    message: `This should not have happened: ${text} Run the command again with --debug and report what it shows.`,
    exitCode: exitCodes.failed,
  };
}

function messageOf(error: QuaestorError): string {
  if (error instanceof OutcomeUnknownError) {
    return `${error.message} To do so, run the same command again.`;
  }
  if (error instanceof RefusedError) return `Refused (${error.code}): ${error.message}`;
  return error.message;
}

function exitCodeOf(error: QuaestorError): ExitCode {
  if (error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof VerificationError || error instanceof VerifyError) return exitCodes.unverified;
  if (error instanceof OutcomeUnknownError || error instanceof UnavailableError) return exitCodes.unreachable;
  if (error instanceof TransactionFailedError || error instanceof RequestError) return exitCodes.failed;
  return exitCodes.failed;
}

const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EEXIST: 'it exists already',
  EADDRINUSE: 'the address is in use',
};

/** A sentence for an error of the operating system about a file, or undefined. */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const reason = systemReasons[error.code];
  if (reason === undefined) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined;
  return path === undefined ? `The operating system refused: ${reason}.` : `${path}: ${reason}.`;
}
