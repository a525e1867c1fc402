import { atMost, oneOf, type MetricBuilder } from '../families.js';
import { latencySeconds, stepSeconds } from './buckets.js';

/** The node as a whole: whether it can do its work, and what it has to do it with. */
export const nodeMetrics = (build: MetricBuilder) => ({
  ready: build.gauge(
    'node_ready',
    '1 while this node is synced and able to do its work, 0 otherwise: what /readyz says.',
  ),
  memoryLimit: build.gauge(
    'node_memory_limit_bytes',
    'Memory that this process may use: the limit of its control group, or the memory of the machine.',
  ),
});

/** What blocks do to the ledger. */
export const ledgerMetrics = (build: MetricBuilder) => ({
  executionDuration: build.histogram(
    'ledger_execution_duration_seconds',
    'Time to execute a block, state root included.',
    stepSeconds,
  ),
  rulesVersion: build.gauge(
    'ledger_rules_version',
    "Version of the ledger's rules under which the next block is executed.",
  ),
  rulesKnown: build.gauge(
    'ledger_rules_known_version',
    "Latest version of the ledger's rules that this software executes.",
  ),
  rulesScheduled: build.gauge(
    'ledger_rules_scheduled_version',
    "Version of the ledger's rules that is decided and waits for its height, 0 when none does.",
  ),
  rulesScheduledHeight: build.gauge(
    'ledger_rules_scheduled_height',
    "First height under the decided version of the ledger's rules, 0 when none waits.",
  ),
  operations: build.counterBy(
    'ledger_operations_total',
    'Operations of committed transactions that took effect, by kind.',
    { kind: atMost(32) },
  ),
  transferred: build.counterBy(
    'ledger_transferred_minor_units_total',
    'Sum of committed transfers in minor units of the asset, rounded to what a float holds: for graphs, not for books.',
    { asset: atMost(32) },
  ),
});

/** The disk. */
export const storageMetrics = (build: MetricBuilder) => ({
  commitDuration: build.histogram(
    'storage_commit_duration_seconds',
    'Time to write one block durably.',
    stepSeconds,
  ),
  logDuration: build.histogram(
    'storage_log_append_duration_seconds',
    'Time to write votes to the consensus log durably.',
    stepSeconds,
  ),
  size: build.gauge('storage_size_bytes', 'Approximate size of the store on disk.'),
  oldestBlock: build.gauge('storage_oldest_block_height', 'Oldest block that is in the store.'),
  oldestState: build.gauge('storage_oldest_state_height', 'Oldest height whose state can be read.'),
  prunedEntries: build.counter('storage_pruned_entries_total', 'Entries of the store that pruning removed.'),
  freedBytes: build.counter(
    'storage_freed_bytes_total',
    'Bytes by which the store became smaller when the room of pruned entries was given back.',
  ),
  sealedHeight: build.gauge(
    'storage_sealed_height',
    'Up to which height blocks are in sealed segments; 0 without any.',
  ),
  segments: build.counter('storage_segments_sealed_total', 'Segments of old blocks that were sealed.'),
  segmentBytes: build.counter('storage_segment_bytes_total', 'Bytes of these segments.'),
  retentionFailing: build.gauge(
    'storage_retention_failing',
    '1 while old blocks can not be sealed or pruned, 0 otherwise.',
  ),
  retentionFailures: build.counter(
    'storage_retention_failures_total',
    'Passes of sealing and pruning that failed.',
  ),
  retentionSuccess: build.gauge(
    'storage_retention_success_timestamp_seconds',
    'When old blocks were last sealed and pruned as configured, in seconds since 1970; 0 if not since the start.',
  ),
  filesystemSize: build.gauge(
    'storage_filesystem_size_bytes',
    'Size of the file system that the data folder is on.',
  ),
  filesystemAvailable: build.gauge(
    'storage_filesystem_available_bytes',
    'Room on the file system that the data folder is on.',
  ),
});

/** Backups. */
export const backupMetrics = (build: MetricBuilder) => ({
  interval: build.gauge(
    'backup_interval_seconds',
    'How often a backup is to be taken (backup.every); 0 when the node has no schedule.',
  ),
  success: build.gauge(
    'backup_last_success_timestamp_seconds',
    'When the last complete backup was begun, in seconds since 1970; 0 when none is known.',
  ),
  height: build.gauge(
    'backup_last_height',
    'Height of the last complete backup since the start; 0 without one.',
  ),
  duration: build.gauge(
    'backup_last_duration_seconds',
    'Time that the last complete backup since the start took.',
  ),
  bytes: build.gauge(
    'backup_last_size_bytes',
    'Bytes that the last complete backup names: blocks, and state before compression.',
  ),
  written: build.counter('backup_written_bytes_total', 'Bytes that backups have written.'),
  failures: build.counter('backup_failures_total', 'Backups that failed.'),
  running: build.gauge('backup_running', '1 while a backup is taken.'),
});

/** Certificates. */
export const tlsMetrics = (build: MetricBuilder) => ({
  certificateExpiry: build.gaugeBy(
    'tls_certificate_expiry_timestamp_seconds',
    'When the certificate in use expires, in seconds since 1970, by whose connections it is for.',
    { surface: oneOf('peer', 'client') },
  ),
});

/** The validator's key, wherever it is. */
export const signerMetrics = (build: MetricBuilder) => ({
  ready: build.gauge(
    'signer_ready',
    '1 while the key of this validator can be used, 0 while its remote signer or its token is away.',
  ),
  duration: build.histogram(
    'signer_duration_seconds',
    'Time from asking a remote signer to its signature, the time without a connection included.',
    latencySeconds,
  ),
  waiting: build.gauge('signer_waiting_requests', 'Requests that wait for a remote signer.'),
  refusals: build.counterBy(
    'signer_refused_total',
    'Statements of this validator that its remote signer refused, by code (docs/signer.md).',
    { code: atMost(16) },
  ),
});

/** The pool that checks signatures. */
export const verifierMetrics = (build: MetricBuilder) => ({
  checks: build.counterBy('verifier_checks_total', 'Signature checks, by how they were answered.', {
    path: oneOf('remembered', 'joined', 'inline', 'threaded'),
  }),
  invalid: build.counter('verifier_invalid_total', 'Signatures found invalid.'),
  slow: build.counter(
    'verifier_slow_checks_total',
    'Checks that the fast library did not settle: only faulty or hostile signers cause them.',
  ),
  crashes: build.counter('verifier_thread_crashes_total', 'Threads that ended unexpectedly.'),
  threads: build.gauge('verifier_threads', 'Threads that check signatures.'),
  waiting: build.gauge('verifier_waiting_checks', 'Checks that wait for a thread or are with one.'),
});

/** Catching up with the others. */
export const syncMetrics = (build: MetricBuilder) => ({
  active: build.gauge('sync_active', '1 while this validator catches up.'),
  blocks: build.counter('sync_blocks_total', 'Blocks taken over from other validators.'),
  snapshotHeight: build.gauge(
    'sync_snapshot_height',
    'Height of the block whose state is copied, or was last; 0 if none was since the start.',
  ),
  snapshotProgress: build.gauge(
    'sync_snapshot_progress_ratio',
    'Part of that state that is copied and checked, 0 to 1.',
  ),
  snapshotBytes: build.counter(
    'sync_snapshot_bytes_total',
    'Bytes of keys and values that were copied and checked.',
  ),
  failures: build.counterBy('sync_failures_total', 'Requests for blocks or state that failed, by reason.', {
    reason: atMost(16),
  }),
});
