import { limits } from '../../types/index.js';
import { atMost, oneOf, type MetricBuilder } from '../families.js';
import { latencySeconds } from './buckets.js';

/** Ids of validators: never more than a set has members. */
const validator = atMost(limits.maxValidators);
const direction = oneOf('in', 'out');

/** Transactions that wait. */
export const mempoolMetrics = (build: MetricBuilder) => ({
  transactions: build.gauge('mempool_transactions', 'Transactions that wait to be committed.'),
  transactionsLimit: build.gauge('mempool_transactions_limit', 'Most transactions that may wait.'),
  bytes: build.gauge('mempool_bytes', 'Bytes of transactions that wait to be committed.'),
  bytesLimit: build.gauge('mempool_limit_bytes', 'Most bytes of transactions that may wait.'),
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
});

/** Between validators. */
export const networkMetrics = (build: MetricBuilder) => ({
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
});

/** Clients. */
export const grpcMetrics = (build: MetricBuilder) => ({
  requests: build.counterBy('grpc_server_requests_total', 'Calls that ended, by method and status code.', {
    method: atMost(64),
    code: atMost(18),
  }),
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
  shed: build.counterBy(
    'api_shed_total',
    'Calls (in streams: transactions) of clients refused because there is too much, by method and limit.',
    {
      method: atMost(64),
      cause: oneOf(
        'requests',
        'bytes',
        'transactions',
        'calls',
        'streams',
        'in_flight',
        'member_share',
        'pool',
        'load',
      ),
    },
  ),
  held: build.counter(
    'api_held_total',
    'Times that a stream of a client was not read for a while because its sender was above a rate.',
  ),
});
