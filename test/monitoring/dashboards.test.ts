import { describe, expect, it } from '@jest/globals';
import { dashboards, grafanaJson } from './dashboards/grafana.js';
import { declaredMetrics } from './pages.js';
import { metricsIn, recordingRules } from './rules.js';

interface Placed {
  readonly id?: number;
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

const { own, process: standard } = declaredMetrics();
const recorded = new Map(recordingRules().map(({ record, expr }) => [record, expr]));
const series = new Set([
  ...own.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
  ...standard.map(({ name }) => name),
  'nodejs_gc_duration_seconds_sum',
  ...recorded.keys(),
]);

const expressions = dashboards.flatMap(({ rows }) =>
  rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
);

describe.each(dashboards.map((dashboard) => [dashboard.name, dashboard] as const))(
  'the dashboard %s',
  (_, dashboard) => {
    const { panels, templating, uid } = JSON.parse(grafanaJson(dashboard)) as {
      readonly uid: string;
      readonly panels: readonly Placed[];
      readonly templating: { readonly list: readonly { readonly name: string }[] };
    };

    it('places its panels side by side, none over another', () => {
      expect(uid).toBe(`quaestor-${dashboard.name}`);
      const taken = new Set<string>();
      for (const { gridPos, title } of panels) {
        expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect([title, taken.has(`${x}/${y}`)]).toEqual([title, false]);
            taken.add(`${x}/${y}`);
          }
        }
      }
    });

    it('says of every panel what it answers, and uses only metrics and variables that there are', () => {
      const variables = [...templating.list.map(({ name }) => name), '__rate_interval'];
      for (const { title, type, description = '', targets = [] } of panels) {
        if (type === 'row') continue;
        expect([title, description]).toEqual([title, expect.stringMatching(/^\S.{8,}\.$/)]);
        expect(targets.length).toBeGreaterThan(0);
        expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
        for (const { expr, legendFormat } of targets) {
          expect(legendFormat).not.toBe('');
          for (const name of metricsIn(expr))
            expect([title, name, series.has(name)]).toEqual([title, name, true]);
          for (const [, name = ''] of expr.matchAll(/\$(\w+)/g)) expect(variables).toContain(name);
        }
      }
      const titles = panels.map(({ title }) => title);
      expect(new Set(titles).size).toBe(titles.length);
    });
  },
);

it('every metric of a node is on a dashboard', () => {
  const shown = new Set(expressions.flatMap(metricsIn));
  for (const name of [...shown]) for (const used of metricsIn(recorded.get(name) ?? '')) shown.add(used);
  const missing = own
    .map(({ name }) => name)
    .filter((name) => !shown.has(name) && !shown.has(`${name}_bucket`));
  expect(missing).toEqual([]);
});
