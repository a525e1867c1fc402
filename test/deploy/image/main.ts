/**
 * Performs the steps of deploy/docker/Dockerfile without an engine, and runs a network from the result. The build stages
 * see this machine's root file system in the place of the base image, through an overlay that is thrown away; the image
 * is a folder with what the Dockerfile puts there and nothing else. Containers are processes with namespaces of their
 * own, that folder as a read-only root, and the image's user without any capability.
 *
 *   unshare --mount node .ci/run-ts.mjs test/deploy/image/main.ts
 *
 * Needs Linux and root (for mounts). Prints what it did; ends with an exception if something did not hold.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage } from './build.js';
import { checkContents } from './contents.js';
import { runNetwork } from './network.js';

const work = mkdtempSync(join(tmpdir(), 'quaestor-image-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4g,mode=0755', 'tmpfs', work]);
try {
  const image = buildImage(process.cwd(), work);
  checkContents(image);
  await runNetwork(image, work);
  const words = ['.ci/run-ts.mjs', 'test/deploy/image/pods-main.ts', JSON.stringify({ image, work })];
  execFileSync('unshare', ['--net', process.execPath, ...words], { stdio: 'inherit' });
  process.stdout.write('The image holds.\n');
} finally {
  // The mounts end with the namespace of this process.
  execFileSync('umount', ['--lazy', work]);
  rmSync(work, { recursive: true, force: true });
}
