// Builds the release before this one, which tests of upgrades start from, and prints its folder. Which one that is, in
// this order: QUAESTOR_PREVIOUS_RELEASE (any revision), the newest tag v* before HEAD, the commit in .ci/previous-release.
// The built folder is kept under .previous-release: under node_modules the compiler takes it for a library. Where the history does not reach so far back (a shallow clone, an
// archive without history) it says so and ends with 3.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function git(...args) {
  const { status, stdout } = spawnSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout.trim() : undefined;
}

function named() {
  const wanted = process.env.QUAESTOR_PREVIOUS_RELEASE;
  if (wanted !== undefined && wanted !== '') return wanted;
  const tag = git('describe', '--tags', '--match', 'v*', '--abbrev=0', 'HEAD^');
  if (tag !== undefined) return tag;
  return readFileSync(join(root, '.ci/previous-release'), 'utf8').split(/\s/)[0];
}

const revision = named();
const commit = git('rev-parse', '--verify', '--quiet', `${revision}^{commit}`);
if (commit === undefined) {
  console.error(
    `This clone does not have ${revision}, the release before this one: fetch the whole history.`,
  );
  process.exit(3);
}

const folder = join(root, '.previous-release', commit.slice(0, 16));
if (!existsSync(folder)) {
  const building = `${folder}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  process.on('exit', () => rmSync(building, { recursive: true, force: true }));
  const archive = execFileSync('git', ['archive', '--format=tar', commit], {
    cwd: root,
    maxBuffer: 512 * 1024 * 1024,
  });
  execFileSync('tar', ['-x', '-C', building], { input: archive });
  const lock = 'package-lock.json';
  if (readFileSync(join(root, lock)).equals(readFileSync(join(building, lock)))) {
    // The same dependencies: each by a link, so that what a build notes in the folder stays its own.
    const modules = join(building, 'node_modules');
    mkdirSync(modules);
    for (const name of readdirSync(join(root, 'node_modules'))) {
      const [from, to] = [join(root, 'node_modules', name), join(modules, name)];
      if (name === '.quaestor-install') copyFileSync(from, to);
      else if (name === '.bin' || !name.startsWith('.')) symlinkSync(from, to);
    }
  }
  const { status } = spawnSync(process.execPath, ['.ci/prepare.mjs'], {
    cwd: building,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    console.error(`${revision} could not be built.`);
    process.exit(1);
  }
  try {
    renameSync(building, folder);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error;
  }
}
console.log(folder);
