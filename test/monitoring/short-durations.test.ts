import { expect, it } from '@jest/globals';
import { withShortDurations } from './short-durations.js';

it('shortens how long an alert waits and what it looks back over, and nothing else', () => {
  expect(
    withShortDurations(
      [
        '      - alert: QuaestorX',
        '        expr: increase(a_total[15m]) > 4 and rate(b_total[5m]) == 0 and c - time() < 2 * 86400',
        '        for: 10m',
        "          description: 'Not for 10m in [a] list.'",
      ].join('\n'),
    ),
  ).toBe(
    [
      '      - alert: QuaestorX',
      '        expr: increase(a_total[60s]) > 4 and rate(b_total[8s]) == 0 and c - time() < 2 * 86400',
      '        for: 1s',
      "          description: 'Not for 10m in [a] list.'",
    ].join('\n'),
  );
});
