import { isatty } from 'node:tty';
import picocolors from 'picocolors';

/** Colours for a person at a terminal only: a log in a file is searched. */
const paint = picocolors.createColors(isatty(1) && (process.env['NO_COLOR'] ?? '') === '');

/** Takes whole lines. */
export interface LineSink {
  write(line: string): void;
}

const colours: Readonly<Record<string, (text: string) => string>> = {
  trace: paint.dim,
  debug: paint.dim,
  info: paint.cyan,
  warn: paint.yellow,
  error: paint.red,
};

/** A sink that turns lines of JSON into lines for a terminal: time, level, code, message, fields. */
export function prettyStream(sink: LineSink): LineSink {
  return { write: (line) => sink.write(`${prettyLine(line)}\n`) };
}

function prettyLine(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line.trimEnd();
  }
  const { time, level, code, msg, err, ...fields } = entry;
  const name = typeof level === 'string' ? level : 'info';
  const parts = [
    paint.dim(typeof time === 'string' ? time.slice(11, 23) : ''),
    (colours[name] ?? paint.cyan)(name.toUpperCase().padEnd(5)),
  ];
  if (typeof code === 'string') parts.push(paint.bold(code));
  if (typeof msg === 'string') parts.push(printable(msg));
  for (const [key, value] of Object.entries(fields)) {
    parts.push(
      paint.dim(`${printable(key)}=${typeof value === 'string' ? printable(value) : JSON.stringify(value)}`),
    );
  }
  return parts.join(' ') + errorText(err);
}

function errorText(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const stack = 'stack' in error && typeof error.stack === 'string' ? error.stack : JSON.stringify(error);
  return `\n  ${stack.split('\n').map(printable).join('\n  ')}`;
}

/** Text of others without the control characters that would steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}
