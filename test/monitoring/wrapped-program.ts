/** The command line in surroundings that an operator would not want: a program that sets them up and then is it. */
import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { mainProgram } from '../e2e/command-line.js';

/** Writes a program to a folder that first runs these lines of JavaScript; gives its file. */
export async function programAfter(dir: string, name: string, lines: readonly string[]): Promise<string> {
  const path = join(dir, `${name}.mjs`);
  const text = [
    "import { execFileSync } from 'node:child_process';",
    "import { openSync, writeFileSync } from 'node:fs';",
    ...lines,
    `process.argv[1] = ${JSON.stringify(mainProgram)};`,
    `await import(${JSON.stringify(pathToFileURL(mainProgram).href)});`,
  ];
  await writeFile(path, `${text.join('\n')}\n`);
  return path;
}

/** The software in a folder of its own, under another version. Gives the file of its command line. */
export async function programOfVersion(dir: string, version: string): Promise<string> {
  const dist = dirname(dirname(mainProgram));
  const root = dirname(dist);
  const build = await mkdtemp(join(dir, 'build-'));
  await cp(dist, join(build, 'dist'), { recursive: true });
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as object;
  await writeFile(join(build, 'package.json'), JSON.stringify({ ...manifest, version }));
  for (const name of ['node_modules', 'proto', 'configs']) await symlink(join(root, name), join(build, name));
  return join(build, 'dist', 'cli', 'main.js');
}
