import { describe, expect, it } from '@jest/globals';
import { CertificateWatch } from '../../../src/node/certificate-watch.js';
import { systemClock } from '../../../src/node/clock.js';
import { createLogger, createMetrics } from '../../../src/telemetry/index.js';
import { withoutOwnLabels } from '../../e2e/validator-process.js';

const dayMs = 24 * 60 * 60 * 1000;

function watched(): {
  readonly watch: CertificateWatch;
  readonly lines: { code?: string; surface?: string; msg: string }[];
  readonly metrics: ReturnType<typeof createMetrics>;
  nowMs: number;
} {
  const lines: { code?: string; surface?: string; msg: string }[] = [];
  const log = createLogger({
    level: 'info',
    format: 'json',
    sink: { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) },
  });
  const metrics = createMetrics({ version: '1', network: 'n1', validator: 'v1', processMetrics: false });
  const world = { nowMs: Date.parse('2030-01-01T00:00:00Z'), lines, metrics };
  const clock = { ...systemClock, wallMs: () => world.nowMs };
  return Object.assign(world, { watch: new CertificateWatch({ clock, log, metrics }) });
}

describe('the end of a certificate', () => {
  it('is a metric, and a warning once a day from thirty days before', async () => {
    const world = watched();
    const expiryMs = world.nowMs + 31.5 * dayMs;
    world.watch.use('peer', expiryMs);
    world.watch.use('client', expiryMs + 100 * dayMs);
    for (let hour = 0; hour < 24; hour++) {
      world.nowMs += dayMs / 24;
      world.watch.look();
    }
    expect(world.lines).toEqual([]);
    expect(withoutOwnLabels(await world.metrics.render())).toContain(
      `quaestor_tls_certificate_expiry_timestamp_seconds{surface="peer"} ${expiryMs / 1000}`,
    );
    for (let hour = 0; hour < 3 * 24; hour++) {
      world.nowMs += dayMs / 24;
      world.watch.look();
    }
    expect(world.lines).toHaveLength(2);
    expect(world.lines[0]).toMatchObject({ code: 'CERTIFICATE_EXPIRES_SOON', surface: 'peer' });
    expect(world.lines[0]?.msg).toContain('expires at 2030-02-01T12:00:00.000Z, in 29 days');
    expect(world.lines[1]?.msg).toContain('in 28 days');
  });

  it('is told at once for files that were just put in place, and after it has passed', () => {
    const world = watched();
    world.watch.look();
    world.watch.use('client', world.nowMs + dayMs / 2);
    world.watch.look();
    expect(world.lines[0]?.msg).toContain('in 0 days');
    world.nowMs += 2 * dayMs;
    world.watch.look();
    expect(world.lines[1]?.msg).toContain('expired at 2030-01-01T12:00:00.000Z');
  });
});
