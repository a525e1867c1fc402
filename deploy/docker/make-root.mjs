// Makes the root file system of the image: Node.js, the shared libraries that it and the native packages are linked to,
// and the software without what it needs only to be compiled.
//
// node make-root.mjs SOFTWARE ROOT
//   SOFTWARE  folder with dist, proto, configs, node_modules, package.json, LICENSE, sbom.cdx.json
//   ROOT      folder to make
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [software, root] = process.argv.slice(2);
if (software === undefined || root === undefined) {
  console.error('Usage: node make-root.mjs SOFTWARE ROOT');
  process.exit(2);
}
const user = 65532;
const home = join(root, 'opt/quaestor');

mkdirSync(home, { recursive: true });
for (const name of ['dist', 'proto', 'configs', 'node_modules', 'package.json', 'LICENSE', 'sbom.cdx.json']) {
  cpSync(join(software, name), join(home, name), { recursive: true, verbatimSymlinks: true });
}
prune(join(home, 'node_modules'));
prune(join(home, 'dist'));

const node = '/usr/local/bin/node';
put(process.execPath, node);
const addons = filesBelow(home).filter((file) => file.endsWith('.node'));
const libraries = new Set([process.execPath, ...addons].flatMap(librariesOf));
for (const library of libraries) put(library, library);
for (const name of new Set([...libraries].map(packageOf))) describePackage(name);

write(
  'etc/passwd',
  `root:x:0:0:root:/:/sbin/nologin\nquaestor:x:${user}:${user}:Quaestor:/var/lib/quaestor:/sbin/nologin\n`,
);
write('etc/group', `root:x:0:\nquaestor:x:${user}:\n`);
write('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n');
mkdirSync(join(root, 'tmp'));
chmodSync(join(root, 'tmp'), 0o1777);
const data = join(root, 'var/lib/quaestor');
mkdirSync(data, { recursive: true });
chownSync(data, user, user);

/** Removes what is there for compilers, other systems or people only. Licences stay. */
function prune(folder) {
  const unused =
    /\.(c|cc|cpp|h|hpp|gyp|gypi|cmake|mk|ts|mts|cts|map|zip|md|markdown|tsbuildinfo)$|\.musl\.node$/i;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const foreign = basename(folder) === 'prebuilds' && entry.name !== `linux-${process.arch}`;
    // Sources of the databases that the native packages were compiled from.
    const sources = entry.name === 'deps' && existsSync(join(folder, 'binding.gyp'));
    // Beside the package.json of a package.
    const side = /^(test|tests|bench|benchmark|benchmarks|docs|example|examples|\.github)$/.test(entry.name);
    const ofPackage = side && entry.isDirectory() && existsSync(join(folder, 'package.json'));
    if (foreign || sources || ofPackage) rmSync(path, { recursive: true });
    else if (entry.isDirectory()) prune(path);
    else if (unused.test(entry.name) && !/licen[cs]e|notice|copying/i.test(entry.name)) rmSync(path);
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Shared libraries of a program or library, and the loader. */
function librariesOf(file) {
  const text = execFileSync('ldd', [file], { encoding: 'utf8' });
  const missing = /^\s*(\S+) => not found/m.exec(text);
  if (missing !== null) throw new Error(`${file} needs ${missing[1]}, which is not here.`);
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path);
}

function put(from, to) {
  const target = join(root, to);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(from), target);
  chmodSync(target, 0o755);
}

function write(path, text) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** Debian's package that a file belongs to. */
function packageOf(file) {
  for (const path of [file, realpathSync(file), realpathSync(file).replace(/^\/usr/, '')]) {
    try {
      const found = execFileSync('dpkg-query', ['--search', path], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return found.split(':')[0];
    } catch {
      // Known under another of its names.
    }
  }
  throw new Error(`No package of this system has ${file}.`);
}

/** Says which package of Debian is in the image, where scanners for vulnerabilities look for it, and its licence. */
function describePackage(name) {
  write(
    `var/lib/dpkg/status.d/${name}`,
    execFileSync('dpkg-query', ['--status', name], { encoding: 'utf8' }),
  );
  const copyright = `/usr/share/doc/${name}/copyright`;
  if (existsSync(copyright)) put(copyright, copyright);
}
