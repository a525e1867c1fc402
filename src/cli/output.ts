/** What commands show: text and tables for people, JSON for programs. Results go to standard output; progress, notes and
 * errors go to standard error. */
import Table from 'cli-table3';
import { isatty } from 'node:tty';
import picocolors from 'picocolors';

type Colours = ReturnType<typeof picocolors.createColors>;

export interface OutputOptions {
  readonly json: boolean;
}

/** Least time between two progress lines. */
const progressPauseMs = 50;

/** Where a command writes. */
export class Output {
  readonly json: boolean;
  readonly colours: Colours;
  readonly #tty: boolean;
  #progressShown = false;
  #nextProgressMs = 0;

  constructor({ json }: OutputOptions) {
    this.json = json;
    this.#tty = process.stderr.isTTY;
    const wanted =
      process.env['FORCE_COLOR'] !== undefined
        ? process.env['FORCE_COLOR'] !== '0'
        : isatty(1) && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb';
    this.colours = picocolors.createColors(!json && wanted);
  }

  /** A line of the result, for people; nothing with --json. */
  line(text = ''): void {
    if (this.json) return;
    this.#clearProgress();
    process.stdout.write(`${text}\n`);
  }

  /** A line that is no part of the result. */
  note(text: string): void {
    this.#clearProgress();
    process.stderr.write(`${text}\n`);
  }

  /** The result for programs: one JSON document; nothing without --json. */
  document(value: unknown): void {
    if (this.json) process.stdout.write(`${renderJson(value, 2)}\n`);
  }

  /** One of many results for programs, on a line of its own; nothing without --json. */
  record(value: unknown): void {
    if (this.json) process.stdout.write(`${renderJson(value)}\n`);
  }

  /** A table for people. Columns that start with ">" are aligned to the right. */
  table(columns: readonly string[], rows: readonly (readonly string[])[]): void {
    if (this.json) return;
    const right = columns.map((column) => column.startsWith('>'));
    const table = new Table({
      head: columns.map((column, index) =>
        this.colours.dim(right[index] === true ? column.slice(1) : column),
      ),
      colAligns: right.map((isRight) => (isRight ? 'right' : 'left')),
      chars: plainBorders,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    });
    table.push(...rows.map((row) => [...row]));
    this.#clearProgress();
    process.stdout.write(`${table.toString().replace(/[ \t]+$/gm, '')}\n`);
  }

  /** Shows how far a long work is, on one line that is overwritten; nothing where standard error is no terminal. */
  progress(text: string): void {
    const nowMs = performance.now();
    if (!this.#tty || nowMs < this.#nextProgressMs) return;
    this.#nextProgressMs = nowMs + progressPauseMs;
    // A terminal may not say how wide it is.
    const width = process.stderr.columns > 0 ? process.stderr.columns : 80;
    process.stderr.write(`\r\u001b[2K${text.slice(0, width - 1)}`);
    this.#progressShown = true;
  }

  /** Takes the progress away. */
  progressDone(): void {
    this.#clearProgress();
  }

  #clearProgress(): void {
    if (!this.#progressShown) return;
    process.stderr.write('\r\u001b[2K');
    this.#progressShown = false;
  }
}

const plainBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** JSON with bytes in hexadecimal and big integers as decimal strings. */
export function renderJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === 'bigint') return item.toString();
      if (item instanceof Uint8Array) return Buffer.from(item).toString('hex');
      return item;
    },
    indent,
  );
}

/** Text of others without the control characters that would steer a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

/** "850 ms", "4.2 s", "3 min 5 s". */
export function formatElapsed(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A digit group every three digits before the point: "1234567.80" is "1,234,567.80". */
export function groupDigits(amount: string): string {
  const [whole = '', decimals] = amount.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return decimals === undefined ? grouped : `${grouped}.${decimals}`;
}

/** "payment" or "payments" behind the number. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${groupDigits(String(number))} ${number === 1 ? one : many}`;
}
