// Runs a TypeScript program of this repository: node .ci/run-ts.mjs test/bench/main.ts [arguments]
// Types are stripped from src and test into a folder under node_modules/.cache that is named after their contents, so a
// program keeps running the files that it was started with, and is started at once when nothing changed. Child processes
// and worker threads of the program are started by its own URLs (import.meta.url) and need nothing of this.
import { transformFile } from '@swc/core';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const cache = join(root, 'node_modules/.cache/run-ts');
/** Contents that were not used for so long are removed. */
const keepMs = 3 * 3600 * 1000;

const [entry, ...args] = process.argv.slice(2);
if (entry === undefined) {
  console.error('Usage: node .ci/run-ts.mjs FILE.ts [arguments]');
  process.exit(2);
}

const sources = ['src', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name.endsWith('.ts') && !file.name.endsWith('.d.ts'))
    .map((file) => join(file.parentPath ?? file.path, file.name)),
);
const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)));
for (const source of sources.sort()) hash.update(`${source}\0`).update(readFileSync(source)).update('\0');
const dir = join(cache, hash.digest('hex').slice(0, 16));

if (!existsSync(dir)) {
  // Made aside and renamed, so that programs that start at the same time do not see half of it.
  const building = `${dir}.${process.pid}`;
  const options = {
    configFile: false,
    swcrc: false,
    sourceMaps: 'inline',
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  };
  await Promise.all(
    sources.map(async (source) => {
      const target = join(building, relative(root, source).replace(/\.ts$/, '.js'));
      const { code } = await transformFile(source, options);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, code);
    }),
  );
  for (const name of ['package.json', 'proto', 'configs', 'test/vectors'])
    symlinkSync(join(root, name), join(building, name));
  try {
    renameSync(building, dir);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    if (!existsSync(dir)) throw error;
  }
}
utimesSync(dir, new Date(), new Date());
for (const name of readdirSync(cache)) {
  const old = join(cache, name);
  try {
    if (Date.now() - statSync(old).mtimeMs > keepMs) rmSync(old, { recursive: true, force: true });
  } catch {
    // Another program removed it at the same time.
  }
}

process.setSourceMapsEnabled(true);
const program = join(dir, relative(root, resolve(entry)).replace(/\.ts$/, '.js'));
process.argv = [process.argv[0], program, ...args];
await import(pathToFileURL(program).href);
