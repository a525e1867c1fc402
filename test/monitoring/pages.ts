/** Pages of docs/ that are made from declarations in the code. `npm run generate` writes them; a test holds them equal. */
import { createMetrics, logCodes, type MetricDeclaration } from '../../src/telemetry/index.js';
import { faultTests } from './fault-tests.js';
import { alertRules } from './rules.js';
import { bucketSources } from './bucket-sources.js';

/** Everything that a node declares. */
export function declaredMetrics() {
  const metrics = createMetrics({ version: '0', network: 'n', validator: 'v' });
  return { own: metrics.declared(), process: metrics.declaredOfProcess() };
}

const areas = [
  ['build', 'What runs'],
  ['node', 'The node as a whole'],
  ['consensus', 'Consensus'],
  ['ledger', 'Ledger'],
  ['mempool', 'Mempool'],
  ['api', 'Clients'],
  ['grpc', 'Calls'],
  ['network', 'Between validators'],
  ['sync', 'Catching up'],
  ['signer', 'Key'],
  ['verifier', 'Signature checks'],
  ['storage', 'Storage and disk'],
  ['backup', 'Backups'],
  ['tls', 'Certificates'],
] as const;

/** docs/metrics.md */
export function metricsPage(): string {
  const { own, process } = declaredMetrics();
  const parts = [metricsIntroduction];
  for (const [area, title] of areas) {
    const metrics = own.filter(({ name }) => areaOf(name) === area);
    parts.push(
      `## ${title}`,
      table(
        ['metric', 'type', 'unit', 'labels', 'meaning'],
        metrics.map((metric) => [
          `\`${metric.name}\``,
          metric.type,
          metric.unit === 'one' ? '' : metric.unit,
          labelsOf(metric),
          metric.help,
        ]),
      ),
    );
  }
  parts.push(
    '## The process',
    'By their standard names, from [prom-client](https://github.com/siimon/prom-client):',
    table(
      ['metric', 'meaning'],
      process.map(({ name, help }) => [`\`${name}\``, help]),
    ),
    '## Buckets of histograms',
    bucketIntroduction,
    table(
      ['histograms', 'upper bounds', 'measured'],
      bucketSources.map(({ buckets, measured }) => [
        own
          .filter((metric) => metric.buckets?.join() === buckets.join())
          .map(({ name }) => `\`${name}\``)
          .join('<br>'),
        buckets.join(', '),
        measured,
      ]),
    ),
  );
  return `${parts.join('\n\n')}\n`;
}

/** The area that a metric belongs to: the first word of its name. */
export const areaOf = (name: string): string => name.split('_')[1] ?? '';

/** Areas that have a section. */
export const areaNames: readonly string[] = areas.map(([area]) => area);

function labelsOf({ labels }: MetricDeclaration): string {
  return Object.entries(labels)
    .map(([name, spec]) =>
      'values' in spec
        ? `\`${name}\`: ${spec.values.map((value) => `\`${value}\``).join(', ')}`
        : `\`${name}\` (at most ${spec.max})`,
    )
    .join('<br>');
}

/** deploy/prometheus/README.md */
export function alertsPage(): string {
  const rows = alertRules().map(({ alert, labels }) => [
    `[\`${alert}\`](../../docs/runbooks/${alert}.md)`,
    labels['severity'] ?? '',
    faultTests[alert]?.title ?? `rules only: ${faultTests[alert]?.whyNot ?? 'no test'}`,
  ]);
  return `${alertsIntroduction}\n\n${table(['alert', 'severity', 'made to fire by'], rows)}\n`;
}

/** docs/logs.md */
export function logsPage(): string {
  const rows = Object.entries(logCodes).map(([code, { level, meaning }]) => [`\`${code}\``, level, meaning]);
  return `${logsIntroduction}\n\n${table(['code', 'level', 'meaning'], rows)}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const metricsIntroduction = `# Metrics

What a node tells Prometheus at \`/metrics\` of its local HTTP port (\`listen.http\`). This page is made from the declarations in \`src/telemetry\` by \`npm run generate\`.

Every series has the labels \`network\` (name of the network) and \`validator\` (id of the node), whatever the scraper calls its target. All other labels come from closed or bounded sets; what does not fit counts as \`other\`. No label names a transaction, an account, a member or a client. A gauge that has no value yet is left out.

Rules and alerts: [deploy/prometheus](../deploy/prometheus/README.md). Dashboards: [deploy/grafana](../deploy/grafana/README.md). Codes of log lines: [logs.md](logs.md).`;

const bucketIntroduction = `Chosen from measured distributions, so that the quantiles that matter fall between bounds that are close to each other: close-meshed around the median and the 99th percentile of a healthy network, coarse up to what a sick one shows. Measured on four validators on two cores that did other work too: one payment at a time, and three streams with 300 payments in flight each; [benchmarks.md](benchmarks.md) has figures of a machine without other work.`;

const logsIntroduction = `# Log lines

A node writes one JSON object a line (\`log.format: pretty\` is for reading in a terminal). Lines that an operator may want to act on or to alert on have a stable \`code\`; lines without one are for developers and may change. Of each code at most 50 lines in ten seconds are written; how many were left out is said. Keys, passwords and payloads never reach the log. The level changes at run time through the admin service (\`SetLogLevel\`).

This page is made from the declarations in \`src/telemetry/log-codes.ts\` by \`npm run generate\`.`;

const alertsIntroduction = `# Prometheus

- \`rules.yaml\`: recording rules (values that dashboards and alerts share), and alerts. Each alert has a severity (critical: somebody gets up; warning: today; info: when there is time), a summary, a description and a runbook.
- \`tests/\`: each alert firing, and not firing; \`promtool test rules tests/*.yml\`.
- \`prometheus.yml\`: an example of a configuration.

The rules need no labels from the scraper: every series of a node says of which network and node it is. Only \`QuaestorDown\` goes by the name of the job, which has to contain \`quaestor\`. An institution that scrapes nothing but its own validator gets every alert about it, and what it sees of the others.

\`runbook_url\` is a path in this repository. Where alerts are read elsewhere, put the address of your copy in front of it: \`sed -i 's|runbook_url: docs/|runbook_url: https://wiki.bank.example/quaestor/docs/|' rules.yaml\`.

## Alerts, and the test that fires each

\`npm run test:monitoring\` starts a network of real processes and a Prometheus that scrapes it, brings about the cause and waits for the alert; only the durations in the rules are shortened for it. This page is made by \`npm run generate\`.`;
