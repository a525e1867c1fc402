import { limits } from '../../types/index.js';
import { atMost, oneOf, type MetricBuilder } from '../families.js';
import { blockBytes, blockTransactions, latencySeconds, stepSeconds } from './buckets.js';

const messageTypes = oneOf('prePrepare', 'prepare', 'commit', 'checkpoint', 'viewChange', 'newView', 'other');

/** Where the protocol stands, how blocks go through it, and what is wrong with others. */
export const consensusMetrics = (build: MetricBuilder) => ({
  view: build.gauge('consensus_view', 'Current view.'),
  height: build.gauge('consensus_height', 'Height of the last committed block.'),
  stableCheckpointHeight: build.gauge(
    'consensus_stable_checkpoint_height',
    'Height of the last checkpoint that a quorum has persisted.',
  ),
  knownHeight: build.gauge(
    'consensus_known_height',
    'Highest committed height that is here or that a correct validator reported; f of the reports may be lies.',
  ),
  epoch: build.gauge('consensus_epoch', 'Number of the validator set in force, 0 for that of the genesis.'),
  validators: build.gauge('consensus_validators', 'Validators of the set in force.'),
  quorum: build.gauge('consensus_quorum', 'Validators of the set in force that have to agree.'),
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
  abstaining: build.gauge(
    'consensus_abstaining',
    '1 while this validator is silent because its data folder lacks what it has signed.',
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
  viewsStarted: build.counter('consensus_views_started_total', 'Views that started, the first not counted.'),
  proposals: build.counterBy('consensus_proposals_total', 'Blocks proposed to or by this validator.', {
    outcome: oneOf('built', 'valid', 'invalid', 'refused'),
  }),
  clockOffset: build.gaugeBy(
    'consensus_proposal_clock_offset_seconds',
    'Time in the latest fresh proposal less the time here when it came: positive when the clock of its proposer is ahead.',
    { proposer: atMost(limits.maxValidators) },
  ),
  clockOffsetLimit: build.gauge(
    'consensus_proposal_clock_offset_limit_seconds',
    'Offset beyond which a fresh proposal is refused (maxClockSkewMs of the genesis).',
  ),
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
    'Time from the arrival of transactions of a client of this node to their durable commit; each answer counts once.',
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
});
