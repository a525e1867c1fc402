/** A copy of the running program's modules with a mutation in it. */
import { transform } from '@swc/core';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Edit, Mutation } from './list.js';

/** The modules that run now: a transpiled copy of src and test. */
const running = join(dirname(fileURLToPath(import.meta.url)), '../../..');

export interface Mutant {
  /** Path of a module of the copy, given as a path of TypeScript from the root. */
  module(path: string): string;
  dispose(): void;
}

/** Makes a mutant of the sources under `root`. Throws when the text of an edit is not there, or not once. */
export async function makeMutant(root: string, { edits }: Mutation): Promise<Mutant> {
  const dir = mkdtempSync(join(dirname(running), 'mutant-'));
  const script = (path: string): string => join(dir, path.replace(/\.ts$/, '.js'));
  try {
    for (const folder of ['src', 'test']) {
      for (const entry of readdirSync(join(running, folder), { recursive: true, withFileTypes: true })) {
        const from = join(entry.parentPath, entry.name);
        const to = join(dir, from.slice(running.length));
        if (entry.isDirectory()) mkdirSync(to, { recursive: true });
        else {
          mkdirSync(dirname(to), { recursive: true });
          linkSync(from, to);
        }
      }
    }
    for (const name of ['proto', 'configs']) symlinkSync(join(root, name), join(dir, name));
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    for (const [file, ofFile] of grouped(edits)) {
      const source = ofFile.reduce(mutated, readFileSync(join(root, file), 'utf8'));
      const { code } = await transform(source, {
        configFile: false,
        swcrc: false,
        filename: file,
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
      });
      unlinkSync(script(file));
      writeFileSync(script(file), code);
    }
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return { module: script, dispose: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Applies one edit to a source. */
export function mutated(source: string, { file, find, replace }: Edit): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`${file} has ${parts.length - 1} times what a mutation replaces once: ${find}`);
  return parts.join(replace);
}

function grouped(edits: readonly Edit[]): ReadonlyMap<string, readonly Edit[]> {
  const groups = new Map<string, Edit[]>();
  for (const edit of edits) groups.set(edit.file, [...(groups.get(edit.file) ?? []), edit]);
  return groups;
}
