// Makes a checkout ready to run: installs the locked dependencies if they are missing or stale, generates the
// wire types from proto/, and builds dist/. Plain JavaScript on Node's own modules, since it runs before any
// dependency is there. Does nothing (in well under a second) when all is up to date.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
  const want = fingerprint(inputs);
  const file = join(root, stamp);
  if (
    existsSync(file) &&
    readFileSync(file, 'utf8') === want &&
    outputs.every((o) => existsSync(join(root, o)))
  )
    return;
  console.error(`${title} …`);
  work();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, want);
}

/** Runs a command quietly; on failure shows what it printed and stops with its exit code. */
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
    process.exit(typeof error.status === 'number' && error.status !== 0 ? error.status : 1);
  }
}

const bin = (name) => join(root, 'node_modules', '.bin', name);

once(
  'node_modules/.quaestor-install',
  ['package-lock.json'],
  ['node_modules'],
  'Installing dependencies',
  () => run('npm', ['ci', '--no-audit', '--no-fund']),
);
once('node_modules/.quaestor-wire', ['proto'], ['src/codec/wire'], 'Generating wire types', () => {
  rmSync(join(root, 'src/codec/wire'), { recursive: true, force: true });
  const protos = ['ledger', 'admin', 'peer'].flatMap((area) =>
    readdirSync(join(root, 'proto/quaestor', area, 'v1'))
      .filter((name) => name.endsWith('.proto'))
      .map((name) => `quaestor/${area}/v1/${name}`),
  );
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
    `--outDir=${join(root, 'src/codec/wire')}`,
    ...protos,
  ]);
});
if (!process.argv.includes('--no-build')) {
  once(
    'dist/.quaestor-build',
    ['src', 'proto', 'tsconfig.json', '.ci/tsconfig.build.json'],
    ['dist'],
    'Building',
    () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true });
      run(bin('tsc'), ['-p', '.ci/tsconfig.build.json']);
    },
  );
}
