import { Registry, collectDefaultMetrics } from 'prom-client';
import { consensusMetrics } from './declarations/consensus.js';
import {
  ledgerMetrics,
  nodeMetrics,
  signerMetrics,
  backupMetrics,
  storageMetrics,
  syncMetrics,
  tlsMetrics,
  verifierMetrics,
} from './declarations/node.js';
import { grpcMetrics, mempoolMetrics, networkMetrics } from './declarations/traffic.js';
import { MetricBuilder, atMost, type MetricDeclaration } from './families.js';

/** What `createMetrics` is told. */
export interface MetricsOptions {
  /** Version of the software, for build_info. */
  readonly version: string;
  /** Name of the network: a label of every series. */
  readonly network: string;
  /** Id of this node: a label of every series. */
  readonly validator: string;
  /** Whether the process's own metrics (CPU, memory, event loop, garbage collection) are included. Default true. */
  readonly processMetrics?: boolean;
}

/** All metrics of a node, on a registry of their own. */
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * All metrics of a node. They are declared in declarations/ and nowhere else: names, help texts, labels, buckets. Names
 * follow Prometheus' rules (base units, `_total`), with the prefix `quaestor_`; those of the process keep the standard
 * names. Labels are from closed or bounded sets: none names a transaction, an account or a client. Every series says
 * which network and node it is of, whatever the scraper calls its target.
 */
export function createMetrics(options: MetricsOptions) {
  const registry = new Registry();
  registry.setDefaultLabels({ network: options.network, validator: options.validator });
  const build = new MetricBuilder(registry);
  const callbacks: (() => void)[] = [];
  if (options.processMetrics !== false) {
    // The lag of the event loop is sampled by a timer: the usual 100 times a second are half of what an idle node does.
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 });
    // Gauges whose names say that they are counters; the same by type are there without the suffix.
    for (const kind of ['handles', 'requests', 'resources']) {
      registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    }
  }

  build
    .gaugeBy('build_info', 'Always 1; the labels say what runs.', {
      version: atMost(1),
      node_version: atMost(1),
    })
    .with({ version: options.version, node_version: process.version })
    .set(1);

  return {
    node: nodeMetrics(build),
    consensus: consensusMetrics(build),
    ledger: ledgerMetrics(build),
    mempool: mempoolMetrics(build),
    storage: storageMetrics(build),
    backup: backupMetrics(build),
    network: networkMetrics(build),
    tls: tlsMetrics(build),
    grpc: grpcMetrics(build),
    verifier: verifierMetrics(build),
    signer: signerMetrics(build),
    sync: syncMetrics(build),
    /** Calls back before every scrape, for values that are cheaper to read than to keep. */
    beforeScrape(callback: () => void): void {
      callbacks.push(callback);
    },
    contentType: registry.contentType,
    /** The page in Prometheus' text format. */
    async render(): Promise<string> {
      for (const callback of callbacks) callback();
      return registry.metrics();
    },
    /** Every metric of the node, for tests that hold pages, dashboards and alerts against them. */
    declared(): readonly MetricDeclaration[] {
      return build.declarations;
    },
    /** Every metric of the process, which follow the standard names. */
    declaredOfProcess(): readonly Pick<MetricDeclaration, 'name' | 'help'>[] {
      const own = new Set(build.declarations.map(({ name }) => name));
      return registry
        .getMetricsAsArray()
        .filter(({ name }) => !own.has(name))
        .map(({ name, help }) => ({ name, help }));
    },
  };
}
