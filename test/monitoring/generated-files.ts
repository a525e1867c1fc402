import { dashboards, grafanaJson } from './dashboards/grafana.js';
import { alertsPage, logsPage, metricsPage } from './pages.js';

/** Files of the repository that are made from declarations in the code, by their paths. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/metrics.md', metricsPage()],
    ['docs/logs.md', logsPage()],
    ['deploy/prometheus/README.md', alertsPage()],
    ...dashboards.map((dashboard): [string, string] => [
      `deploy/grafana/dashboards/${dashboard.name}.json`,
      grafanaJson(dashboard),
    ]),
  ]);
}
