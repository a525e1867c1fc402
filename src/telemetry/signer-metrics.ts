import { Registry } from 'prom-client';
import { latencySeconds } from './declarations/buckets.js';
import { atMost, MetricBuilder, oneOf, type MetricDeclaration } from './families.js';

export interface SignerMetricsOptions {
  readonly version: string;
  readonly network: string;
  /** Id of the validator whose key it is. */
  readonly validator: string;
}

/** All metrics of a signer, on a registry of their own; docs/signer.md lists them. */
export type SignerMetrics = ReturnType<typeof createSignerMetrics>;

/** Makes the metrics of a signer's process. */
export function createSignerMetrics(options: SignerMetricsOptions) {
  const registry = new Registry();
  registry.setDefaultLabels({ network: options.network, validator: options.validator });
  const build = new MetricBuilder(registry);
  build
    .gaugeBy('signer_build_info', 'Always 1; the label says what runs.', { version: atMost(1) })
    .with({ version: options.version })
    .set(1);
  return {
    ready: build.gauge('signer_key_ready', '1 while the key can be used, 0 while its token is away.'),
    connections: build.gauge(
      'signer_connections',
      'Open streams: 1 in normal operation, 2 are two validators with one key.',
    ),
    finalHeight: build.gauge('signer_final_height', 'Height up to which nothing is signed any more.'),
    signatures: build.counterBy('signer_signatures_total', 'Statements signed, by kind.', {
      kind: oneOf('vote', 'checkpoint', 'viewChange', 'newView', 'hello'),
    }),
    refusals: build.counterBy('signer_refusals_total', 'Requests refused, by code (docs/signer.md).', {
      code: atMost(16),
    }),
    duration: build.histogram(
      'signer_request_duration_seconds',
      'Time from a request to its answer, the synced write included.',
      latencySeconds,
    ),
    certificateExpiry: build.gauge(
      'signer_certificate_expiry_timestamp_seconds',
      'When the certificate in use expires, in seconds since 1970.',
    ),
    contentType: registry.contentType,
    /** The page in Prometheus' text format. */
    render: (): Promise<string> => registry.metrics(),
    /** Every metric, for the test that holds docs/signer.md against them. */
    declared: (): readonly MetricDeclaration[] => build.declarations,
  };
}
