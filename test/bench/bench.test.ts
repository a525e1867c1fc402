/** The bench itself runs: a whole network of processes, small numbers. What the figures are is not tested. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { readOptions } from './options.js';
import type { BenchResult } from './results.js';

const run = promisify(execFile);

describe('npm run bench', () => {
  it('starts a network, measures it and reports in Markdown and JSON', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'quaestor-bench-test-'));
    try {
      const json = join(dir, 'result.json');
      const { stdout } = await run(
        process.execPath,
        ['.ci/run-ts.mjs', 'test/bench/main.ts', '--quick', '--networks', '4x10', '--json', json],
        { env: { ...process.env, NODE_OPTIONS: '' } },
      );
      const result = JSON.parse(await readFile(json, 'utf8')) as BenchResult;
      const figures = [
        result.floorVerifyPerSecond,
        result.opensslVerifyPerSecond,
        result.peakTransfersPerSecond,
        result.limitRatio,
        result.cpuLimitRatio,
        result.finalityP50Ms,
        result.finalityP99Ms,
        result.cpuPerTransferPerValidatorUs,
        result.residentBytesMax,
        result.networks[0]?.diskBytesPerTransfer,
        result.networks[0]?.peak?.receiptsVerified,
        result.networks[0]?.unaryPeak?.transfersPerSecond,
        result.networks[0]?.sdkStreams?.receiptsVerified,
      ];
      for (const figure of figures) expect(figure).toBeGreaterThan(0);
      expect(result.quick).toBe(true);
      expect(stdout).toContain('| ratio to the limit |');
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }, 240_000);

  it('refuses options that it does not understand', () => {
    expect(() => readOptions(['--parts', 'floor,speed'])).toThrow('"speed" is no part');
    expect(() => readOptions(['--networks', '4'])).toThrow('expected something like 4x100000');
    expect(() => readOptions(['--seconds', '0'])).toThrow('--seconds has "0"');
    expect(() => readOptions(['--unknown'])).toThrow('--unknown');
  });
});
