import { describe, expect, it } from '@jest/globals';
import { DiskWatch } from '../../../src/node/disk-watch.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { withoutOwnLabels } from '../../e2e/validator-process.js';

const GiB = 1024 ** 3;

function make(space: () => Promise<{ bsize: number; blocks: number; bavail: number }>) {
  const lines: string[] = [];
  const time = { nowMs: 0 };
  const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v1', processMetrics: false });
  let measured = 0;
  const watch = new DiskWatch({
    clock: {
      wallMs: () => time.nowMs,
      monotonicMs: () => time.nowMs,
      setTimer: () => () => undefined,
      defer: () => undefined,
    },
    log: createLogger({
      level: 'info',
      format: 'json',
      sink: { write: (line: string) => void lines.push(line) },
    }),
    metrics,
    dir: '/data',
    storeBytes: () => Promise.resolve(++measured * 1000),
    statfs: space,
  });
  const shown = async (name: string) =>
    withoutOwnLabels(await metrics.render())
      .split('\n')
      .find((line) => line.startsWith(`quaestor_storage_${name} `))
      ?.split(' ')[1];
  return { watch, lines, time, shown };
}

const free = (gib: number) => ({ bsize: 4096, blocks: (100 * GiB) / 4096, bavail: (gib * GiB) / 4096 });

describe('DiskWatch', () => {
  it('shows the file system every few seconds, and the store, which costs more, once a minute', async () => {
    let left = 50;
    const { watch, time, shown } = make(() => Promise.resolve(free(left)));
    await watch.look();
    expect(await shown('filesystem_size_bytes')).toBe(String(100 * GiB));
    expect(await shown('filesystem_available_bytes')).toBe(String(50 * GiB));
    expect(await shown('size_bytes')).toBe('1000');
    left = 40;
    time.nowMs = 1000;
    await watch.look();
    expect(await shown('filesystem_available_bytes')).toBe(String(50 * GiB));
    time.nowMs = 5000;
    await watch.look();
    expect(await shown('filesystem_available_bytes')).toBe(String(40 * GiB));
    expect(await shown('size_bytes')).toBe('1000');
    time.nowMs = 60_000;
    await watch.look();
    expect(await shown('size_bytes')).toBe('2000');
  });

  it('warns once an hour while less than a tenth is free', async () => {
    let left = 11;
    const { watch, time, lines } = make(() => Promise.resolve(free(left)));
    for (const [nowMs, gib, count] of [
      [0, 11, 0],
      [5_000, 9, 1],
      [10_000, 8, 1],
      [3_000_000, 8, 1],
      [3_605_000, 7, 2],
    ] as const) {
      time.nowMs = nowMs;
      left = gib;
      await watch.look();
      expect([nowMs, lines.length]).toEqual([nowMs, count]);
    }
    expect(JSON.parse(lines[0]!)).toMatchObject({ code: 'DISK_SPACE_LOW', level: 'warn', dir: '/data' });
  });

  it('leaves out what it cannot read, and looks again', async () => {
    let broken = true;
    const { watch, time, shown } = make(() =>
      broken ? Promise.reject(new Error('EIO')) : Promise.resolve(free(20)),
    );
    await watch.look();
    expect(await shown('filesystem_available_bytes')).toBeUndefined();
    broken = false;
    time.nowMs = 5000;
    await watch.look();
    expect(await shown('filesystem_available_bytes')).toBe(String(20 * GiB));
  });
});
