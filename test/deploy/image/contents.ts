import { lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Image } from './build.js';

const MiB = 1024 * 1024;
/** More would mean that something got in that the software does not use. */
const maxBytes = 200 * MiB;

/** Holds the image's files against what the README says of them. Throws an Error that names what does not hold. */
export function checkContents({ root, settings }: Image): void {
  const files = walk(root);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  process.stdout.write(`The image has ${files.length} files and ${(bytes / MiB).toFixed(1)} MiB.\n`);
  const problems: string[] = [];
  const refuse = (file: string, why: string): number => problems.push(`${file}: ${why}`);
  for (const { path, mode, uid } of files) {
    if (/(^|\/)(sh|bash|dash|busybox|apt|apt-get|dpkg|npm|npx|corepack)$/.test(path))
      refuse(path, 'is a tool');
    if ((mode & 0o6000) !== 0) refuse(path, 'changes the user of who runs it');
    if ((mode & 0o022) !== 0) refuse(path, 'can be changed by others than its owner');
    if (uid !== 0) refuse(path, `belongs to user ${uid}`);
    if (/\.(c|cc|gyp|ts|map)$/.test(path)) refuse(path, 'is needed to compile only');
    if (/(^|\/)(jest|typescript|eslint|prettier)\//.test(path)) refuse(path, 'is a development tool');
    if (/\.(key|password)$|-key\.pem$/.test(path)) refuse(path, 'looks like a secret');
  }
  if (bytes > maxBytes) refuse('/', `has more than ${maxBytes / MiB} MiB`);
  if (!/^[1-9]\d*:[1-9]\d*$/.test(settings.user))
    refuse('USER', `is ${settings.user}, not a number other than root's`);
  if (settings.entrypoint[0] !== '/usr/local/bin/node')
    refuse('ENTRYPOINT', 'does not start the node itself');
  if (settings.stopSignal !== 'SIGTERM')
    refuse('STOPSIGNAL', 'is not the signal that stops the node cleanly');
  if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'));
}

interface FileEntry {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
}

function walk(root: string, folder = root): FileEntry[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = join(folder, entry.name);
    if (entry.isDirectory()) return walk(root, full);
    const { size, mode, uid } = lstatSync(full);
    return entry.isSymbolicLink() ? [] : [{ path: relative(root, full), size, mode, uid }];
  });
}
