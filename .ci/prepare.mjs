// Makes a checkout ready to run: installs the locked dependencies if they are missing or stale, generates the
// wire types from proto/, and builds dist/. Plain JavaScript on Node's own modules, since it runs before any
// dependency is there. Does nothing (in well under a second) when all is up to date.
//
// What is made is made beside its place and then moved there, so that a network that runs from dist/ keeps running,
// and a build that fails leaves the last good one. Only one process of a checkout does this at a time.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 12)) {
  console.error(`Quaestor needs Node.js 20.12 or later; this is ${process.version}.`);
  process.exit(1);
}

/** Hash of the contents of the given files and folders, so that a stamp says what was built from what. */
function fingerprint(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (name !== 'wire') visit(join(path, name));
    } else {
      hash.update(relative(root, path)).update('\0').update(readFileSync(path)).update('\0');
    }
  };
  for (const path of paths) visit(join(root, path));
  return hash.digest('hex');
}

/** Runs `work` unless the stamp file says that it already ran for the same inputs. */
function once(stamp, inputs, outputs, title, work) {
  const file = join(root, stamp);
  const upToDate = () =>
    existsSync(file) &&
    readFileSync(file, 'utf8') === fingerprint(inputs) &&
    outputs.every((output) => existsSync(join(root, output)));
  if (upToDate()) return;
  takeLock();
  // Whoever held the lock may have done it.
  if (upToDate()) return;
  const want = fingerprint(inputs);
  console.error(`${title} …`);
  work();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, want);
}

const lock = join(root, '.prepare.lock');
let locked = false;

/** Waits until no other process prepares this checkout. The lock ends with this process. */
function takeLock() {
  let waited = false;
  while (!locked) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      locked = true;
      process.on('exit', () => rmSync(lock, { force: true }));
      for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : '');
      if (holder > 0 && !isRunning(holder)) {
        rmSync(lock, { force: true });
        continue;
      }
      if (!waited) console.error('Waiting for another process that prepares this checkout …');
      waited = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Makes a folder by `work(folder)`, beside its place, and moves it there. Relative paths in it stay right. */
function replaceFolder(name, work) {
  const place = join(root, name);
  const draft = `${place}.new-${process.pid}`;
  const old = `${place}.old-${process.pid}`;
  try {
    work(draft);
    if (existsSync(place)) renameSync(place, old);
    renameSync(draft, place);
  } finally {
    for (const leftover of [draft, old]) rmSync(leftover, { recursive: true, force: true });
  }
}

/** A command failed, and it was said. */
class Failure extends Error {
  constructor(exitCode) {
    super(`exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Runs a command quietly; on failure shows what it printed and throws. */
function run(command, args) {
  try {
    execFileSync(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
  } catch (error) {
    process.stderr.write(error.stdout ?? '');
    process.stderr.write(error.stderr ?? '');
    console.error(`"${command} ${args.join(' ')}" failed.`);
    throw new Failure(typeof error.status === 'number' && error.status !== 0 ? error.status : 1);
  }
}

const bin = (name) => join(root, 'node_modules', '.bin', name);

function prepare() {
  once(
    'node_modules/.quaestor-install',
    ['package-lock.json'],
    ['node_modules'],
    'Installing dependencies',
    () => run('npm', ['ci', '--no-audit', '--no-fund']),
  );
  once('node_modules/.quaestor-wire', ['proto'], ['src/codec/wire'], 'Generating wire types', () => {
    const protos = ['ledger', 'admin', 'peer', 'signer'].flatMap((area) =>
      readdirSync(join(root, 'proto/quaestor', area, 'v1'))
        .filter((name) => name.endsWith('.proto'))
        .map((name) => `quaestor/${area}/v1/${name}`),
    );
    replaceFolder('src/codec/wire', (folder) =>
      run(bin('proto-loader-gen-types'), [
        '--longs=Number',
        '--enums=String',
        '--defaults',
        '--oneofs',
        '--arrays',
        '--grpcLib=@grpc/grpc-js',
        '--importFileExtension=.js',
        '--targetFileExtension=.ts',
        `--includeDirs=${join(root, 'proto')}`,
        `--outDir=${folder}`,
        ...protos,
      ]),
    );
  });
  if (process.argv.includes('--no-build')) return;
  once(
    'dist/.quaestor-build',
    ['src', 'proto', 'tsconfig.json', '.ci/tsconfig.build.json'],
    ['dist'],
    'Building',
    () =>
      replaceFolder('dist', (folder) => {
        const buildInfo = join(folder, '.tsbuildinfo');
        run(bin('tsc'), [
          '-p',
          '.ci/tsconfig.build.json',
          '--outDir',
          folder,
          '--tsBuildInfoFile',
          buildInfo,
        ]);
        chmodSync(join(folder, 'cli/main.js'), 0o755);
      }),
  );
}

try {
  prepare();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.exitCode = error.exitCode;
}
