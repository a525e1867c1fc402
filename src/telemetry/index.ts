/**
 * What a node says about itself: metrics (declared in metrics.ts and nowhere else), log lines with stable codes, and
 * health. Serves nothing: src/api has the HTTP port.
 */
export { RecentLines } from './recent-lines.js';
export { apiMetrics, observeVerifier, peerMetrics } from './adapters.js';
export type { VerifierTotals } from './adapters.js';
export type { CounterCell, Family, GaugeCell, HistogramCell, MetricDeclaration } from './families.js';
export { HealthState } from './health.js';
export type { HealthInputs } from './health.js';
export { logCodes, logLevels } from './log-codes.js';
export type { LogCode, LogLevel } from './log-codes.js';
export { createLogger, standardOutput } from './logger.js';
export type { LogFields, Logger, LoggerOptions } from './logger.js';
export { createMetrics } from './metrics.js';
export type { Metrics, MetricsOptions } from './metrics.js';
export { createSignerMetrics } from './signer-metrics.js';
export type { SignerMetrics } from './signer-metrics.js';
export type { LineSink } from './pretty.js';
