import { Registry, collectDefaultMetrics } from 'prom-client';
import { limits } from '../types/index.js';
import { MetricBuilder, atMost, oneOf } from './families.js';

/** From a millisecond to half a minute, close-meshed around the objective of 25 ms. */
const latencySeconds = [
  0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** From a tenth of a millisecond to ten seconds: steps within one node. */
const stepSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10];
const blockTransactions = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
const blockBytes = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 8_388_608];

/** Ids of validators: never more than a set has members. */
const validator = atMost(limits.maxValidators);

const messageTypes = oneOf('prePrepare', 'prepare', 'commit', 'checkpoint', 'viewChange', 'newView', 'other');
const direction = oneOf('in', 'out');

/** What `createMetrics` is told. */
export interface MetricsOptions {
  /** Version of the software, for build_info. */
  readonly version: string;
  /** Id of this validator, for build_info. */
  readonly validator: string;
  /** Whether the process's own metrics (CPU, memory, event loop, garbage collection) are included. Default true. */
  readonly processMetrics?: boolean;
}

/** All metrics of a node, on a registry of their own. */
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * Declares every metric of a node: the only place where a name, a help text or a label is written. Names follow
 * Prometheus' rules (base units, `_total`), with the prefix `quaestor_`; those of the process keep the standard names.
 * Labels are from closed or bounded sets: none names a transaction, an account or a client.
 */
export function createMetrics(options: MetricsOptions) {
  const registry = new Registry();
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
      validator: atMost(1),
    })
    .with({ version: options.version, node_version: process.version, validator: options.validator })
    .set(1);

  return {
    consensus: {
      view: build.gauge('consensus_view', 'Current view.'),
      height: build.gauge('consensus_height', 'Height of the last committed block.'),
      stableCheckpointHeight: build.gauge(
        'consensus_stable_checkpoint_height',
        'Height of the last checkpoint that a quorum has persisted.',
      ),
      knownHeight: build.gauge(
        'consensus_known_height',
        'Highest committed height that any validator reported: how far behind this one is.',
      ),
      epoch: build.gauge(
        'consensus_epoch',
        'Number of the validator set in force, 0 for that of the genesis.',
      ),
      validators: build.gauge('consensus_validators', 'Validators of the set in force.'),
      isValidator: build.gauge(
        'consensus_is_validator',
        'Whether this node votes in the validator set in force: 1, or 0 if it only follows.',
      ),
      scheduledHeight: build.gauge(
        'consensus_validators_scheduled_height',
        'First height of the decided next validator set, 0 when none waits.',
      ),
      isPrimary: build.gauge(
        'consensus_is_primary',
        '1 while this validator is the primary of the current view.',
      ),
      viewChangeInProgress: build.gauge(
        'consensus_view_change_in_progress',
        '1 while a view change is under way.',
      ),
      halted: build.gauge(
        'consensus_halted',
        '1 when this validator stopped voting for good because safety is at stake.',
      ),
      blocksInFlight: build.gauge(
        'consensus_blocks_in_flight',
        'Heights above the last committed one with a proposal.',
      ),
      lastCommitTimestampSeconds: build.gauge(
        'consensus_last_commit_timestamp_seconds',
        'Wall-clock time of the last commit in seconds since 1970.',
      ),
      viewChanges: build.counterBy(
        'consensus_view_changes_total',
        'View changes that this validator asked for, by cause.',
        { cause: atMost(16) },
      ),
      viewsStarted: build.counter(
        'consensus_views_started_total',
        'Views that started, the first not counted.',
      ),
      proposals: build.counterBy('consensus_proposals_total', 'Blocks proposed to or by this validator.', {
        outcome: oneOf('built', 'valid', 'invalid', 'refused'),
      }),
      blocksCommitted: build.counter('consensus_blocks_committed_total', 'Blocks committed.'),
      transactionsCommitted: build.counterBy(
        'consensus_transactions_committed_total',
        'Transactions in committed blocks, by result code.',
        { code: atMost(64) },
      ),
      blockTransactions: build.histogram(
        'consensus_block_transactions',
        'Transactions in a committed block.',
        blockTransactions,
      ),
      blockBytes: build.histogram('consensus_block_bytes', 'Bytes of a committed block.', blockBytes),
      phaseDuration: build.histogramBy(
        'consensus_phase_duration_seconds',
        'Time of a block in a phase: execute (proposal accepted to executed), prepare (to prepared certificate), commit (to commit certificate), store (to durable).',
        stepSeconds,
        { phase: oneOf('execute', 'prepare', 'commit', 'store') },
      ),
      blockDuration: build.histogram(
        'consensus_block_duration_seconds',
        'Time from the proposal of a block to its durable commit.',
        latencySeconds,
      ),
      finality: build.histogram(
        'consensus_finality_seconds',
        'Time from the admission of a transaction by this validator to its durable commit.',
        latencySeconds,
      ),
      messages: build.counterBy(
        'consensus_messages_total',
        'Consensus messages received, by type and what became of them.',
        { type: messageTypes, outcome: oneOf('accepted', 'ignored', 'malformed', 'unverified') },
      ),
      ignored: build.counterBy(
        'consensus_messages_ignored_total',
        'Authentic consensus messages that were not used, by reason.',
        { reason: atMost(48) },
      ),
      evidence: build.counterBy(
        'consensus_evidence_total',
        'Proofs of equivocation that were taken into keeping, by the phase of the votes and how they came here.',
        { phase: oneOf('prePrepare', 'prepare', 'commit'), source: oneOf('own', 'peer') },
      ),
      evidenceRefused: build.counterBy(
        'consensus_evidence_refused_total',
        'Pieces of evidence that were not kept: known already, too many, or from a peer and worth nothing.',
        { reason: oneOf('duplicate', 'full', 'malformed', 'unknownValidator', 'noConflict', 'unverified') },
      ),
      evidenceKept: build.gauge('consensus_evidence_kept', 'Proofs of equivocation in keeping.'),
    },
    ledger: {
      executionDuration: build.histogram(
        'ledger_execution_duration_seconds',
        'Time to execute a block, state root included.',
        stepSeconds,
      ),
    },
    mempool: {
      transactions: build.gauge('mempool_transactions', 'Transactions that wait to be committed.'),
      bytes: build.gauge('mempool_bytes', 'Bytes of transactions that wait to be committed.'),
      oldestAge: build.gauge('mempool_oldest_age_seconds', 'Age of the transaction that waits longest.'),
      admitted: build.counterBy('mempool_admitted_total', 'Transactions admitted, by where they came from.', {
        source: oneOf('client', 'peer'),
      }),
      refused: build.counterBy('mempool_refused_total', 'Transactions refused, by reason.', {
        reason: atMost(32),
      }),
      expired: build.counter(
        'mempool_expired_total',
        'Transactions dropped because they can never be committed.',
      ),
    },
    storage: {
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
      errors: build.counterBy('storage_errors_total', 'Failed operations on the store.', {
        operation: oneOf('commit', 'log', 'read', 'other'),
      }),
    },
    network: {
      observersConnected: build.gauge(
        'network_observers_connected',
        'Observers with an open stream to this node.',
      ),
      peersConnected: build.gauge('network_peers_connected', 'Other validators with an open stream.'),
      peerConnected: build.gaugeBy('network_peer_connected', '1 while the stream to a validator is open.', {
        peer: validator,
      }),
      bytes: build.counterBy('network_bytes_total', 'Bytes exchanged with a validator, without TLS.', {
        peer: validator,
        direction,
      }),
      frames: build.counterBy('network_frames_total', 'Frames exchanged with a validator.', {
        peer: validator,
        direction,
      }),
      queueBytes: build.gaugeBy('network_queue_bytes', 'Bytes that wait to be sent to a validator.', {
        peer: validator,
      }),
      shed: build.counterBy(
        'network_shed_total',
        'Frames (of transactions: envelopes) dropped because a queue was full.',
        {
          peer: validator,
          direction,
          traffic: oneOf('consensus', 'transactions', 'status', 'bodies', 'evidence'),
        },
      ),
      paused: build.counterBy('network_paused_total', 'Times that reading from a validator was held up.', {
        peer: validator,
        cause: oneOf('rate', 'backlog'),
      }),
      disconnects: build.counterBy('network_disconnects_total', 'Streams that ended, by reason.', {
        peer: validator,
        reason: atMost(24),
      }),
      refused: build.counterBy('network_refused_total', 'Attempts to connect that failed, by reason.', {
        direction,
        reason: atMost(24),
      }),
    },
    tls: {
      certificateExpiry: build.gaugeBy(
        'tls_certificate_expiry_timestamp_seconds',
        'When the certificate in use expires, in seconds since 1970, by whose connections it is for.',
        { surface: oneOf('peer', 'client') },
      ),
    },
    grpc: {
      requests: build.counterBy(
        'grpc_server_requests_total',
        'Calls that ended, by method and status code.',
        {
          method: atMost(64),
          code: atMost(18),
        },
      ),
      requestDuration: build.histogramBy(
        'grpc_server_request_duration_seconds',
        'Time from the start to the end of a call, by method.',
        latencySeconds,
        { method: atMost(64) },
      ),
      openCalls: build.gaugeBy('grpc_server_open_calls', 'Calls in progress, by method; a stream is one.', {
        method: atMost(64),
      }),
      submissionsInFlight: build.gauge(
        'api_submissions_in_flight',
        'Transactions of clients that wait for their outcome.',
      ),
      refused: build.counterBy('api_refused_total', 'Transactions refused to clients, by reason.', {
        reason: atMost(32),
      }),
    },
    verifier: {
      checks: build.counterBy('verifier_checks_total', 'Signature checks, by how they were answered.', {
        path: oneOf('remembered', 'joined', 'inline', 'threaded'),
      }),
      invalid: build.counter('verifier_invalid_total', 'Signatures found invalid.'),
      slow: build.counter(
        'verifier_slow_checks_total',
        'Checks that the fast library did not settle: only faulty or hostile signers cause them.',
      ),
      crashes: build.counter('verifier_thread_crashes_total', 'Threads that ended unexpectedly.'),
      waiting: build.gauge('verifier_waiting_checks', 'Checks that wait for a thread or are with one.'),
    },
    sync: {
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
      failures: build.counterBy(
        'sync_failures_total',
        'Requests for blocks or state that failed, by reason.',
        {
          reason: atMost(16),
        },
      ),
    },
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
    /** Name, type and labels of every metric, for tests that hold dashboards and alerts against them. */
    declared(): readonly { readonly name: string; readonly help: string; readonly type: string }[] {
      return registry.getMetricsAsArray().map(({ name, help, type }) => ({ name, help, type: String(type) }));
    },
  };
}
