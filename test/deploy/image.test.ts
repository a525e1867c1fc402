/**
 * The image: the Dockerfile's steps are performed, and a network runs from nothing but its files. Takes minutes and
 * needs root, so it is a part of `npm run test:deploy` only.
 */
import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { helm } from './helm.js';

const possible = process.platform === 'linux' && process.getuid?.() === 0;
const suite = process.env['QUAESTOR_DEPLOY_TESTS'] === 'all' && possible ? describe : describe.skip;

suite('the image (needs test:deploy, Linux and root)', () => {
  it('has all that four validators need to run, pay and stop, read-only, as nobody, without capabilities', () => {
    const args = [
      '--mount',
      '--propagation',
      'private',
      process.execPath,
      '.ci/run-ts.mjs',
      'test/deploy/image/main.ts',
    ];
    const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    expect([status, status === 0 ? '' : `${stdout}\n${stderr}`]).toEqual([0, '']);
    expect(stdout).toContain('The receipt holds.');
    expect(stdout).toContain('All stopped on SIGTERM with exit code 0.');
    // The chart's pods, with volumes, names and addresses as a kubelet gives them; helm test pays and verifies.
    if (helm === undefined) return;
    expect(stdout).toContain('4 pods of the chart are ready, by their probes.');
    expect(stdout.split('The receipt holds.')).toHaveLength(3);
  }, 900_000);
});
