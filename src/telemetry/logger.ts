import { pino } from 'pino';
import { toHex } from '../types/index.js';
import { LineLimiter } from './line-limiter.js';
import { prettyStream } from './pretty.js';
import type { LineSink } from './pretty.js';
import type { LogCode, LogLevel } from './log-codes.js';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** json: one object a line, for machines. pretty: for people. */
  readonly format: 'json' | 'pretty';
  /** Fields of every line, for example the validator's id. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Where lines go; standard output by default. */
  readonly sink?: LineSink;
  /** For tests. */
  readonly nowMs?: () => number;
}

/** Fields of a line. `code` is one of `logCodes` on the lines that are for operators. Bytes are written in hex. */
export type LogFields = Readonly<Record<string, unknown>> & { readonly code?: LogCode | (string & {}) };

/** A structured logger of pino's shape. */
export interface Logger {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger with more fields; the level stays shared. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
  /** Whether lines of a level are written: ask before making expensive fields. */
  enabled(level: LogLevel): boolean;
  level(): LogLevel;
  /** Changes the level of this logger and all its children, and gives the one before. */
  setLevel(level: LogLevel): LogLevel;
}

/** Names of fields whose values never reach a log, at the top and one level below. */
const secretFields = [
  'password',
  'passphrase',
  'privateKey',
  'privateKeyPem',
  'secret',
  'seed',
  'token',
  'authorization',
];

/** Longest bytes that are written out. */
const maxHexBytes = 64;

/** Where lines go by default. */
export function standardOutput(): LineSink {
  return pino.destination({ fd: 1, sync: true });
}

/** Makes the logger of a process. */
export function createLogger(options: LoggerOptions): Logger {
  const sink = options.sink ?? standardOutput();
  const root = pino(
    {
      level: options.level,
      base: { ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: readable },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    options.format === 'pretty' ? prettyStream(sink) : sink,
  );
  const shared = { level: options.level, limiter: new LineLimiter(options.nowMs ?? Date.now) };
  return new PinoLogger(root, shared);
}

/** Bytes and bigints in a form that JSON has. */
function readable(fields: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Uint8Array) {
      const hex = toHex(value.subarray(0, maxHexBytes));
      result[name] = value.length > maxHexBytes ? `${hex}… (${value.length} bytes)` : hex;
    } else {
      result[name] = typeof value === 'bigint' ? value.toString() : value;
    }
  }
  return result;
}

/** Lower is more talkative. */
const ranks: Readonly<Record<LogLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 };

class PinoLogger implements Logger {
  readonly #pino: pino.Logger;
  /** What a logger and its children have in common. */
  readonly #shared: { level: LogLevel; readonly limiter: LineLimiter };

  constructor(logger: pino.Logger, shared: { level: LogLevel; readonly limiter: LineLimiter }) {
    this.#pino = logger;
    this.#shared = shared;
  }

  trace(fields: object, message: string): void {
    this.#write('trace', fields, message);
  }
  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }
  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }
  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }
  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  child(fields: Readonly<Record<string, unknown>>): Logger {
    return new PinoLogger(this.#pino.child(readable(fields)), this.#shared);
  }

  enabled(level: LogLevel): boolean {
    return ranks[level] >= ranks[this.#shared.level];
  }

  level(): LogLevel {
    return this.#shared.level;
  }

  setLevel(level: LogLevel): LogLevel {
    const before = this.#shared.level;
    this.#shared.level = level;
    return before;
  }

  #write(level: LogLevel, fields: object, message: string): void {
    if (!this.enabled(level)) return;
    // pino keeps a level in every child; the shared one decides, so pino's is opened as far as it has to be.
    if (this.#pino.level !== this.#shared.level) this.#pino.level = this.#shared.level;
    const code = 'code' in fields && typeof fields.code === 'string' ? fields.code : undefined;
    if (code !== undefined && !this.#shared.limiter.allows(code, this.#suppressed)) return;
    this.#pino[level](fields, message);
  }

  readonly #suppressed = (code: string, lines: number): void => {
    this.#pino.warn(
      { code: 'LINES_SUPPRESSED', suppressedCode: code, lines },
      'Lines were left out because too many of one code came at once.',
    );
  };
}
