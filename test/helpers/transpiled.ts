/** Makes plain JavaScript of parts of src, so that a test can run the real code in a child process. */
import { transformFile } from '@swc/core';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface Transpiled {
  /** Absolute path of the folder that stands for src. */
  readonly dir: string;
  dispose(): Promise<void>;
}

/** Transpiles folders of src into a temporary folder from which packages resolve as from src. */
export async function transpile(folders: readonly string[]): Promise<Transpiled> {
  const cache = join(root, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  const dir = await mkdtemp(join(cache, 'transpiled-'));
  await writeFile(join(dir, 'package.json'), '{"type":"module"}');
  for (const folder of folders) {
    const names = await readdir(join(root, 'src', folder), { recursive: true });
    const sources = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
    await Promise.all(
      sources.map(async (name) => {
        const source = join(root, 'src', folder, name);
        const target = join(dir, relative(join(root, 'src'), source).replace(/\.ts$/, '.js'));
        const { code } = await transformFile(source, {
          configFile: false,
          swcrc: false,
          jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
          module: { type: 'es6' },
        });
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, code);
      }),
    );
  }
  return { dir, dispose: () => rm(dir, { recursive: true, force: true }) };
}
