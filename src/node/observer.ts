import type { Evidence, Governance, ValidatorSet } from '../codec/index.js';
import type { BlockRef, Notice } from '../consensus/types.js';
import type { Logger, Metrics } from '../telemetry/index.js';
import { validatorSetHash } from '../crypto/index.js';
import { scheduledRules } from '../ledger/index.js';
import { equalBytes, newestRules, quorumOf, toHex, type QuaestorError } from '../types/index.js';
import type { Height, ValidatorIndex } from '../types/index.js';
import type { Execution } from './block-executor.js';
import type { DriverObserver, EvidenceRefusal, MessageOutcome } from './driver-options.js';
import type { Electorates } from './electorate.js';
import { ClockOffsets } from './clock-offsets.js';
import { LedgerCounts } from './ledger-counts.js';
import type { Clock } from './ports.js';

export interface NodeObserverOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Own id. */
  readonly validator: string;
  /** A block can be read from the store. */
  readonly committed: (height: Height) => void;
  /** Once per heartbeat: refresh what is polled. */
  readonly tick: () => void;
  /** The others do not keep the blocks that are missing here. */
  readonly historyPruned?: () => void;
  /** The replica has stopped for good. */
  readonly halted: (reason: string) => void;
}

/** When the steps of a block in flight were taken, in milliseconds of the monotonic clock. */
interface BlockTimes {
  readonly proposedMs: number;
  executedMs?: number;
  preparedMs?: number;
}

/** Most blocks in flight whose times are kept. */
const maxTimes = 256;

/** That the pool is full is said at most so often. */
const fullNoticeMs = 10_000;

/** A catch-up by fewer blocks is logged for developers only. */
const newsworthyBlocks = 5;

/** Turns what happens in a replica into metrics and log lines. */
export class NodeObserver implements DriverObserver {
  readonly #options: NodeObserverOptions;
  readonly #times = new Map<number, BlockTimes>();
  /** Ids of the validators in force, in order of index. */
  #validators: readonly string[] = [];
  /** In force, and the one before: evidence may be against a validator of either. */
  #sets: readonly ValidatorSet[] = [];
  #self: ValidatorIndex | undefined;
  #epoch = -1;
  #rules: { readonly version: number; readonly scheduled: number | undefined } | undefined;
  #syncLevel: 'debug' | 'info' = 'info';
  #nextFullMs = -Infinity;
  readonly #counts: LedgerCounts;
  readonly #offsets: ClockOffsets;

  constructor(options: NodeObserverOptions) {
    this.#options = options;
    this.#counts = new LedgerCounts(options.metrics);
    this.#offsets = new ClockOffsets(options);
  }

  notice(notice: Notice): void {
    const { log, metrics, clock } = this.#options;
    const validators = this.#validators;
    const { consensus } = metrics;
    switch (notice.kind) {
      case 'viewStarted': {
        consensus.view.set(notice.view);
        consensus.viewChangeInProgress.set(0);
        consensus.isPrimary.set(notice.primary === this.#self ? 1 : 0);
        if (notice.view > 0) consensus.viewsStarted.inc();
        const primary = validators[notice.primary];
        log.info({ code: 'VIEW_STARTED', view: notice.view, primary }, `View ${notice.view} has started.`);
        return;
      }
      case 'viewChangeStarted':
        consensus.viewChangeInProgress.set(1);
        consensus.viewChanges.with({ cause: notice.cause }).inc();
        log.warn(
          { code: 'VIEW_CHANGE_STARTED', view: notice.view, cause: notice.cause },
          `This validator asks for view ${notice.view}: ${notice.cause}.`,
        );
        if (notice.cause === 'overdue') {
          log.warn(
            { code: 'CENSORSHIP_SUSPECTED', view: notice.view },
            'A transaction waits beyond the bound although blocks could be committed: another primary is asked for.',
          );
        }
        return;
      case 'preprepared':
        // Its execution begins: `judging` and `judged` say when.
        return;
      case 'prepared': {
        const times = this.#times.get(notice.height);
        if (times === undefined) return;
        times.preparedMs = clock.monotonicMs();
        const sinceMs = times.executedMs ?? times.proposedMs;
        consensus.phaseDuration.with({ phase: 'prepare' }).observe((times.preparedMs - sinceMs) / 1000);
        return;
      }
      case 'abstaining':
        log.error(
          { code: 'ABSTAINING', why: notice.why },
          (notice.why === 'outdated'
            ? `The data folder is older than what this validator has signed: it says nothing until it can contradict nothing.`
            : `This validator sees signatures of its own that its data folder does not know of: the folder is older than ` +
              `they are, or somebody else uses the key. It says nothing until it can contradict nothing.`) +
            (notice.endless === true
              ? ` The others commit nothing without it, so that this does not end by itself: stop it and put the newest ` +
                `data folder back.`
              : ''),
        );
        return;
      case 'abstentionEnded':
        log.warn(
          { code: 'ABSTENTION_ENDED', height: notice.height },
          `All that this validator can have signed before its folder was put back is final at height ${notice.height}.`,
        );
        return;
      case 'epochStarted':
        // Said by `electorates`, which knows who is in it.
        consensus.view.set(0);
        consensus.viewChangeInProgress.set(0);
        return;
      case 'checkpointStable':
        consensus.stableCheckpointHeight.set(notice.height);
        log.debug({ code: 'CHECKPOINT_STABLE', height: notice.height }, 'A checkpoint is stable.');
        return;
      case 'ignored':
        consensus.ignored.with({ reason: notice.reason }).inc();
        log.debug(
          { message: notice.message, reason: notice.reason, from: validators[notice.from] },
          'A consensus message was not used.',
        );
        return;
    }
  }

  electorates({ current, previous, scheduled }: Electorates, self: ValidatorIndex | undefined): void {
    const { log, metrics, validator } = this.#options;
    const { consensus } = metrics;
    const ids = current.validators.map(({ id }) => id);
    this.#validators = ids;
    this.#sets = [current, previous].filter((set) => set !== undefined);
    this.#self = self;
    consensus.epoch.set(current.epoch);
    consensus.validators.set(ids.length);
    consensus.quorum.set(quorumOf(ids.length));
    consensus.isValidator.set(self === undefined ? 0 : 1);
    consensus.scheduledHeight.set(scheduled?.activationHeight ?? 0);
    if (scheduled !== undefined) {
      const { activationHeight: height } = scheduled;
      log.info(
        { code: 'VALIDATORS_SCHEDULED', height, ...comparison(current, scheduled) },
        `The next validator set takes over at height ${height}.`,
      );
    }
    if (this.#epoch === current.epoch) return;
    this.#epoch = current.epoch;
    if (previous !== undefined) {
      const { activationHeight: height, epoch } = current;
      log.info(
        { code: 'VALIDATORS_CHANGED', height, epoch, validators: ids, ...comparison(previous, current) },
        `${ids.length} validators decide from height ${height} on.`,
      );
    }
    if (self !== undefined) return;
    if (ids.includes(validator)) {
      log.error(
        { code: 'VALIDATOR_KEY_MISSING', validator },
        'The validator set in force has another key for this validator than this node holds, so that it only follows. ' +
          'Name the key file that was decided under "key" in the configuration, and restart.',
      );
    } else {
      log.warn(
        { code: 'NOT_VALIDATING', validator },
        'This node is not in the validator set in force: it follows the chain and does not vote.',
      );
    }
  }

  governance(governance: Governance): void {
    const { log, metrics } = this.#options;
    const { ledger } = metrics;
    const { rulesVersion } = governance;
    const scheduled = scheduledRules(governance);
    ledger.rulesVersion.set(rulesVersion);
    ledger.rulesKnown.set(newestRules);
    ledger.rulesScheduled.set(scheduled?.version ?? 0);
    ledger.rulesScheduledHeight.set(scheduled?.height ?? 0);
    const before = this.#rules;
    this.#rules = { version: rulesVersion, scheduled: scheduled?.version };
    if (before !== undefined && before.version !== rulesVersion) {
      log.info(
        { code: 'RULES_CHANGED', version: rulesVersion, before: before.version },
        `Blocks are executed under version ${rulesVersion} of the ledger's rules from now on.`,
      );
    }
    if (scheduled !== undefined && before?.scheduled !== scheduled.version) this.#rulesScheduled(scheduled);
  }

  #rulesScheduled({ version, height }: { readonly version: number; readonly height: Height }): void {
    const { log } = this.#options;
    if (version <= newestRules) {
      log.info(
        { code: 'RULES_SCHEDULED', version, height },
        `Version ${version} of the ledger's rules is decided; it is in force from height ${height} on.`,
      );
      return;
    }
    log.error(
      { code: 'RULES_UNKNOWN', version, height, known: newestRules },
      `Version ${version} of the ledger's rules is decided for height ${height}, and this software knows versions up to ` +
        `${newestRules}: it stops below that height. Install a version of the software that knows it before.`,
    );
  }

  message(from: ValidatorIndex, type: string, outcome: MessageOutcome, detail: string | undefined): void {
    const { log, metrics } = this.#options;
    const validators = this.#validators;
    metrics.consensus.messages.with({ type: messageType(type), outcome }).inc();
    if (type === 'prePrepare' && outcome === 'accepted') return;
    if (outcome === 'accepted') return;
    log.warn(
      { code: 'PEER_MISBEHAVED', peer: validators[from], type, outcome, detail },
      'A validator sent a consensus message that does not hold.',
    );
  }

  built(block: BlockRef): void {
    this.#options.metrics.consensus.proposals.with({ outcome: 'built' }).inc();
    this.#noteProposed(block.header.height);
  }

  judging(block: BlockRef, fresh: boolean): void {
    const { clock } = this.#options;
    const { height, proposer, timeMs } = block.header;
    const id = this.#validators[proposer];
    // Only what is proposed for the first time says what its proposer's clock shows now.
    if (fresh && id !== undefined) this.#offsets.note(id, timeMs - clock.wallMs());
    this.#noteProposed(height);
  }

  judged(block: BlockRef, outcome: 'valid' | 'invalid' | 'refused', reason: string | undefined): void {
    const { log, metrics } = this.#options;
    const validators = this.#validators;
    metrics.consensus.proposals.with({ outcome }).inc();
    if (outcome === 'valid') {
      this.#noteExecuted(block.header.height);
      return;
    }
    const { height, proposer } = block.header;
    log.warn(
      { height, digest: toHex(block.digest), proposer: validators[proposer], outcome, reason },
      `A proposed block was not accepted: ${reason ?? outcome}.`,
    );
  }

  executed(ms: number): void {
    this.#options.metrics.ledger.executionDuration.observe(ms / 1000);
  }

  logged(ms: number): void {
    this.#options.metrics.storage.logDuration.observe(ms / 1000);
  }

  answered(ms: number): void {
    this.#options.metrics.consensus.finality.observe(ms / 1000);
  }

  committed(block: BlockRef, execution: Execution, storeMs: number): void {
    const { metrics, clock } = this.#options;
    const { consensus, storage } = metrics;
    const { height } = block.header;
    const nowMs = clock.monotonicMs();
    consensus.height.set(height);
    consensus.blocksCommitted.inc();
    consensus.lastCommitTimestampSeconds.set(clock.wallMs() / 1000);
    consensus.blockTransactions.observe(execution.transactions.length);
    consensus.blockBytes.observe(
      execution.transactions.reduce((bytes, { envelopeBytes }) => bytes + envelopeBytes.length, 0),
    );
    this.#counts.add(execution.transactions, execution.output.results);
    storage.commitDuration.observe(storeMs / 1000);
    const times = this.#times.get(height);
    if (times !== undefined) {
      consensus.blockDuration.observe((nowMs - times.proposedMs) / 1000);
      consensus.phaseDuration.with({ phase: 'store' }).observe(storeMs / 1000);
      if (times.preparedMs !== undefined) {
        const commitMs = Math.max(0, nowMs - storeMs - times.preparedMs);
        consensus.phaseDuration.with({ phase: 'commit' }).observe(commitMs / 1000);
      }
      this.#times.delete(height);
    }
    this.#options.committed(height);
  }

  admitted(source: 'client' | 'peer', count: number): void {
    this.#options.metrics.mempool.admitted.with({ source }).inc(count);
  }

  refused(_source: 'client' | 'peer', code: string): void {
    const { log, metrics, clock } = this.#options;
    metrics.mempool.refused.with({ reason: code }).inc();
    if (code !== 'POOL_FULL' || clock.monotonicMs() < this.#nextFullMs) return;
    this.#nextFullMs = clock.monotonicMs() + fullNoticeMs;
    log.warn({ code: 'MEMPOOL_FULL' }, 'Transactions are refused because the pool is full.');
  }

  evidence(evidence: Evidence, from: ValidatorIndex | undefined): void {
    const { log, metrics } = this.#options;
    const validators = this.#validators;
    const guilty = this.#sets.find((set) => equalBytes(validatorSetHash(set), evidence.validatorSetHash));
    const { phase, first } = evidence;
    metrics.consensus.evidence.with({ phase, source: from === undefined ? 'own' : 'peer' }).inc();
    log.error(
      {
        code: 'EQUIVOCATION',
        validator: guilty?.validators[first.signature.validator]?.id,
        phase,
        view: first.view,
        height: first.height,
        ...(from === undefined ? {} : { from: validators[from] }),
      },
      'A validator signed two different things in one place; the proof is stored.',
    );
  }

  evidenceRefused(from: ValidatorIndex | undefined, reason: EvidenceRefusal): void {
    const { log, metrics } = this.#options;
    const validators = this.#validators;
    metrics.consensus.evidenceRefused.with({ reason }).inc();
    if (from === undefined || reason === 'duplicate' || reason === 'full') return;
    log.warn(
      { code: 'PEER_MISBEHAVED', peer: validators[from], type: 'evidence', reason },
      'A validator sent evidence that does not hold.',
    );
  }

  unsigned(statement: string, error: QuaestorError): void {
    const { log } = this.#options;
    const text = `A ${statement} of this validator stays unsaid: ${error.message}`;
    const { refusal } = error.details;
    if (error.code === 'SIGNER_REFUSED') log.error({ code: 'SIGNER_REFUSED', statement, refusal }, text);
    else log.warn({ code: 'SIGNER_NOT_READY', statement }, text);
  }

  syncStarted(from: Height, target: Height): void {
    const { log, metrics } = this.#options;
    metrics.sync.active.set(1);
    // An observer fetches block by block all the time: that is no news.
    this.#syncLevel = target - from < newsworthyBlocks ? 'debug' : 'info';
    log[this.#syncLevel](
      { code: 'SYNC_STARTED', from, target },
      `Catching up from height ${from} to ${target}.`,
    );
  }

  syncBlock(): void {
    this.#options.metrics.sync.blocks.inc();
  }

  syncEnded(end: string, height: Height): void {
    const { log, metrics } = this.#options;
    metrics.sync.active.set(0);
    if (end === 'stuck') {
      log.warn({ code: 'SYNC_STALLED', height }, `No validator delivers the blocks above height ${height}.`);
    } else log[this.#syncLevel]({ code: 'SYNC_FINISHED', height, end }, `Caught up to height ${height}.`);
  }

  historyPruned(): void {
    this.#options.historyPruned?.();
  }

  syncFault(peer: ValidatorIndex, fault: string, detail: string): void {
    const { log, metrics } = this.#options;
    const validators = this.#validators;
    metrics.sync.failures.with({ reason: fault }).inc();
    log.warn({ peer: validators[peer], fault, detail }, 'A request for blocks failed.');
  }

  tick(): void {
    this.#offsets.look();
    this.#options.tick();
  }

  halted(reason: string, error: unknown): void {
    const { log, metrics, halted } = this.#options;
    metrics.consensus.halted.set(1);
    const cause = error instanceof Error ? { error: error.message, stack: error.stack } : {};
    log.error({ code: 'CONSENSUS_HALTED', reason, ...cause }, `This validator stopped for good: ${reason}.`);
    halted(error instanceof Error ? `${reason}: ${error.message}` : reason);
  }

  #noteExecuted(height: number): void {
    const times = this.#times.get(height);
    if (times === undefined) return;
    const { metrics, clock } = this.#options;
    times.executedMs = clock.monotonicMs();
    const ms = times.executedMs - times.proposedMs;
    metrics.consensus.phaseDuration.with({ phase: 'execute' }).observe(ms / 1000);
  }

  #noteProposed(height: number): void {
    if (this.#times.size >= maxTimes) this.#times.clear();
    this.#times.set(height, { proposedMs: this.#options.clock.monotonicMs() });
  }
}

/** Ids that are in one set only, and those whose key or address differs. */
function comparison(before: ValidatorSet, after: ValidatorSet): Readonly<Record<string, readonly string[]>> {
  const known = new Map(before.validators.map((validator) => [validator.id, validator]));
  const ids = new Set(after.validators.map(({ id }) => id));
  return {
    joining: after.validators.filter(({ id }) => !known.has(id)).map(({ id }) => id),
    leaving: before.validators.filter(({ id }) => !ids.has(id)).map(({ id }) => id),
    changing: after.validators
      .filter(({ id, publicKey, address }) => {
        const earlier = known.get(id);
        if (earlier === undefined) return false;
        return !equalBytes(earlier.publicKey, publicKey) || earlier.address !== address;
      })
      .map(({ id }) => id),
  };
}

const messageTypes = ['prePrepare', 'prepare', 'commit', 'checkpoint', 'viewChange', 'newView'] as const;

function messageType(type: string): (typeof messageTypes)[number] | 'other' {
  return messageTypes.find((known) => known === type) ?? 'other';
}
