import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Top folder of the software. */
export const softwareFolder = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Version of the software, from its package. */
export function softwareVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}

/** Words that run this program again. */
export const selfCommand: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('main.js', import.meta.url)),
];

/** A word as a POSIX shell reads it. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
