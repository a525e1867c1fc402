/**
 * Carries out what the consensus core decides, in the order that it demands, on ports that stand for clock, disk,
 * network and keys: the same code in production and in the simulator. It decides nothing about the protocol itself.
 */
import {
  decodeConsensusMessage,
  decodeValidatorSet,
  encodeConsensusMessage,
  encodeSignedNewView,
  type ConsensusMessage,
  type PeerStatus,
  type ValidatorSet,
} from '../codec/index.js';
import {
  beginAuthentication,
  consensusSnapshot,
  createReplica,
  encodeLogRecord,
  peerStatus,
  step,
  type ConsensusConfig,
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusSnapshot,
  type LogRecord,
  type NextEpoch,
  type ReplicaState,
  type TimerId,
  type VerifiedMessage,
} from '../consensus/index.js';
import type { LogEntry } from '../storage/types.js';
import { stateKeys, type BlockOutput, type CheckedTransaction } from '../ledger/index.js';
import type { Digest, Hash, Height, ValidatorIndex } from '../types/index.js';
import { asValidatorIndex, equalBytes, invariant, quorumOf, toHex, unreachable } from '../types/index.js';
import { answerBodies } from './answer-bodies.js';
import { BodyGatherer } from './bodies.js';
import { frameBodies } from './body-framing.js';
import { BlockExecutor } from './block-executor.js';
import type { DriverOptions } from './driver-options.js';
import { DurableQueue } from './durable-queue.js';
import { EarlyMessages } from './early-messages.js';
import { epochOf, signerIn, type Electorates } from './electorate.js';
import { EpochParts } from './epoch-parts.js';
import { EvidencePool } from './evidence-pool.js';
import { Finalizer } from './finalizer.js';
import { Intake } from './intake.js';
import { OverdueWatch } from './overdue-watch.js';
import { PeerInbox } from './peer-inbox.js';
import { Proposals } from './proposals.js';
import type { Recovered } from './recovery.js';
import { TransactionDesk } from './transaction-desk.js';

/** A message and the parts of the validator set that it was checked against. */
interface EpochMessage {
  readonly message: VerifiedMessage;
  readonly epoch: EpochParts;
}

type EffectOf<K extends ConsensusEffect['kind']> = Extract<ConsensusEffect, { readonly kind: K }>;

/** One replica at work. Made by `createDriver`, set going by `start`. */
export class ReplicaDriver {
  readonly #options: DriverOptions;
  readonly #durable: DurableQueue;
  readonly #executor: BlockExecutor;
  readonly #gatherer: BodyGatherer;
  readonly #proposals: Proposals;
  readonly #finalizer: Finalizer;
  readonly #inbox: PeerInbox<EpochMessage>;
  readonly #early = new EarlyMessages();
  readonly #overdueWatch: OverdueWatch;
  readonly #timers = new Map<TimerId, () => void>();
  #events: ConsensusEvent[] = [];
  #epoch: EpochParts;
  #electorates: Electorates;
  readonly #firstEffects: readonly ConsensusEffect[];
  /** Transactions: door, relay, who waits. */
  readonly desk: TransactionDesk;
  /** Who is proven to be faulty. */
  readonly evidence: EvidencePool;
  /** Heights of nodes that are not in the validator set in force. */
  readonly #sources = new Map<ValidatorIndex, Height>();
  #state: ReplicaState;
  #draining = false;
  #stopped = false;
  #demand = false;
  #cancelTick: () => void = () => undefined;
  #sentStatus = '';

  constructor(options: DriverOptions, recovered: Recovered) {
    this.#options = options;
    const { ports, config, parameters, mempool, observer } = options;
    const { clock, store, peers, verifier } = ports;
    this.#electorates = options.electorates;
    this.#durable = new DurableQueue(
      store,
      (error) => this.#fail('the store could not be written', error),
      () => {
        const startedMs = clock.monotonicMs();
        return () => observer.logged?.(clock.monotonicMs() - startedMs);
      },
    );
    this.#executor = new BlockExecutor({
      store,
      tree: options.tree,
      committedHashes: recovered.committedHashes,
      validityWindowBlocks: parameters.validityWindowBlocks,
      clock,
      executed: (ms) => observer.executed(ms),
    });
    const intake = new Intake({
      chainId: config.chainId,
      clock,
      store,
      verifier,
      mempool,
      window: recovered.committedHashes,
      validityWindowBlocks: parameters.validityWindowBlocks,
    });
    this.#gatherer = new BodyGatherer({
      clock,
      peers,
      mempool,
      check: (envelopes) => intake.check(envelopes),
      graceMs: options.bodyGraceMs,
      retryMs: options.bodyRetryMs,
    });
    this.#proposals = new Proposals({
      clock,
      executor: this.#executor,
      gatherer: this.#gatherer,
      mempool,
      parameters,
    });
    this.desk = new TransactionDesk({
      ports,
      intake,
      mempool,
      observer,
      validityWindowBlocks: parameters.validityWindowBlocks,
      admitted: (transactions) => this.#transactionsAdmitted(transactions),
      failed: (error) => this.#fail('transactions could not be taken in', error),
    });
    this.#finalizer = new Finalizer({
      ports,
      durable: this.#durable,
      executor: this.#executor,
      proposals: this.#proposals,
      mempool,
      desk: this.desk,
      observer,
      committed: (height, digest, output) => this.#blockCommitted(height, digest, output),
    });
    this.evidence = new EvidencePool(
      {
        ports,
        chainId: config.chainId,
        setOf: (hash) => this.#knownSet(hash),
        observer,
        failed: (error) => this.#fail('evidence could not be stored', error),
      },
      recovered.evidence,
    );
    this.#overdueWatch = new OverdueWatch({
      clock,
      mempool,
      intake,
      desk: this.desk,
      overdue: () => this.dispatch({ kind: 'overdue' }),
      failed: (error) => this.#fail('the state could not be read', error),
    });
    this.#inbox = new PeerInbox({
      decode: (from, bytes) => this.#authenticate(from, bytes),
      deliver: (from, { message, epoch }) => {
        // What was checked against one validator set says nothing in another.
        if (epoch === this.#epoch) this.dispatch({ kind: 'message', from, message });
      },
    });
    this.#epoch = this.#partsOf(config);
    for (const { digest, transactions } of recovered.bodies) this.#proposals.adopt(digest, transactions);
    const replica = createReplica(config, recovered.restored);
    this.#state = replica.state;
    this.#tellSigner(recovered.restored.log);
    this.#firstEffects = replica.effects;
  }

  /** Sets the replica going. */
  start(): void {
    this.#announceElectorates();
    this.#draining = true;
    for (const effect of this.#firstEffects) this.#perform(effect);
    this.#draining = false;
    this.#drain();
    this.#tick();
  }

  /** Stops for good: no event is taken, nothing is sent any more. Resolves when what was being written is written. */
  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#cancelTick();
      for (const cancel of this.#timers.values()) cancel();
      this.#timers.clear();
      this.#epoch.stop();
      this.#gatherer.stop();
    }
    await this.#durable.idle();
  }

  /** Takes an event and does all that follows from it. */
  dispatch(event: ConsensusEvent): void {
    if (this.#stopped) return;
    this.#events.push(event);
    if (!this.#draining) this.#drain();
  }

  /** The validator sets that matter now. */
  get electorates(): Electorates {
    return this.#electorates;
  }

  /** The height that some node outside of the validator set in force claims; undefined when none is heard of. */
  get claimedOutside(): Height | undefined {
    const heights = [...this.#sources.values()].sort((left, right) => right - left);
    return heights[0];
  }

  /** Own place in the set in force; undefined for who has none, or not the key. */
  get self(): ValidatorIndex | undefined {
    return this.#epoch.config.self;
  }

  /** A consensus message of a validator by id: one of the scheduled set may speak before its set is in force here. */
  receiveConsensusOf(id: string, bytes: Uint8Array): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const { current, scheduled } = this.#electorates;
    const from = current.validators.findIndex((validator) => validator.id === id);
    if (from >= 0) return this.receiveConsensus(asValidatorIndex(from), bytes);
    if (scheduled?.validators.some((validator) => validator.id === id) === true) this.#early.keep(id, bytes);
    return Promise.resolve();
  }

  /** A consensus message arrived: it is decoded, its signatures are checked, then it becomes an event. Resolves when
   * the message is done with. Messages of one peer keep their order. */
  receiveConsensus(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.#inbox
      .receive(from, bytes)
      .catch((error: unknown) => this.#fail('a message could not be taken in', error));
  }

  /** Where a peer says that it stands; an index above those of the set in force is of a node that is not in it. */
  receiveStatus(from: ValidatorIndex, status: PeerStatus): void {
    if (from >= this.#epoch.config.validatorSet.validators.length) {
      this.#sources.set(from, status.committedHeight);
    }
    this.#epoch.catchUp.report(from, status.committedHeight);
    this.dispatch({ kind: 'status', from, status });
  }

  receiveTransactions(envelopes: readonly Uint8Array[]): Promise<void> {
    return this.#stopped ? Promise.resolve() : this.desk.receive(envelopes);
  }

  /** A peer passes evidence on. Resolves when it is done with. */
  receiveEvidence(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.evidence
      .receive(from, bytes)
      .catch((error: unknown) => this.#fail('evidence could not be taken in', error));
  }

  /** A peer asks for bodies of a block in flight. */
  serveBodies(to: ValidatorIndex, digest: Digest, wanted: readonly Hash[]): void {
    answerBodies(this.#options.ports.peers, this.#proposals.bodies(digest), to, digest, wanted);
  }

  receiveBodies(
    from: ValidatorIndex,
    digest: Digest,
    hashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.#gatherer
      .receive(from, digest, hashes, envelopes)
      .catch((error: unknown) => this.#fail('transactions of a block could not be taken in', error));
  }

  /** A stream to a peer opened: it is told where we stand, who is faulty, and what clients of ours wait for. */
  peerConnected(peer: ValidatorIndex): void {
    if (this.#stopped) return;
    const { peers, clock } = this.#options.ports;
    // What waited while there was no quorum waited for no primary.
    const quorum = quorumOf(this.#epoch.config.validatorSet.validators.length);
    if (peers.connected().length + 1 === quorum) this.#options.mempool.restartDeadlines(clock.monotonicMs());
    peers.sendStatus(peer, this.status());
    this.evidence.greet(peer);
    this.desk.relayAll();
  }

  status(): PeerStatus {
    return peerStatus(this.#state);
  }

  snapshot(): ConsensusSnapshot {
    return consensusSnapshot(this.#state);
  }

  #drain(): void {
    this.#draining = true;
    try {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        if (this.#stopped) break;
        if (event.kind === 'committed' && event.next !== undefined) this.#enterEpoch(event.next);
        const { state, effects } = step(this.#state, event);
        this.#state = state;
        for (const effect of effects) this.#perform(effect);
      }
    } catch (error) {
      this.#fail('a defect in the protocol engine', error);
    } finally {
      this.#draining = false;
    }
    this.#announceView();
  }

  #perform(effect: ConsensusEffect): void {
    const { peers } = this.#options.ports;
    switch (effect.kind) {
      case 'persist':
        this.#durable.append(this.#entriesOf(effect.records));
        if (effect.records.some(({ kind }) => kind === 'abstention'))
          this.#durable.after(() => this.#options.ports.store.acceptOutdated());
        this.#tellSigner(effect.records);
        return;
      case 'cast':
        {
          // Not whoever speaks once it is on disk: that may be the voice of another validator set.
          const { caster } = this.#epoch;
          this.#durable.after(() => caster.cast(effect.statement));
        }
        return;
      case 'send': {
        const bytes = encodeConsensusMessage(effect.message);
        const epoch = this.#epoch;
        this.#durable.after(() => {
          if (!this.#stopped && epoch === this.#epoch) peers.sendConsensus(effect.to, bytes);
        });
        return;
      }
      case 'setTimer':
        this.#setTimer(effect.timer, effect.delayMs);
        return;
      case 'cancelTimer':
        this.#timers.get(effect.timer)?.();
        this.#timers.delete(effect.timer);
        return;
      case 'build':
        this.#epoch.builder?.setOrder(effect);
        return;
      case 'stopBuilding':
        this.#epoch.builder?.clearOrder();
        return;
      case 'execute':
        this.#execute(effect);
        return;
      case 'commit':
        this.#finalizer.commit(effect.block, effect.certificate);
        return;
      case 'discard':
        for (const digest of effect.digests) this.#proposals.forget(digest);
        return;
      case 'sync':
        this.#epoch.catchUp.start(effect.from, effect.target, effect.peers);
        return;
      case 'evidence':
        this.evidence.found(effect.evidence);
        return;
      case 'halt':
        this.#fail(effect.reason, undefined);
        return;
      case 'notice':
        if (effect.notice.kind === 'viewStarted')
          this.#options.mempool.restartDeadlines(this.#options.ports.clock.monotonicMs());
        this.#options.observer.notice(effect.notice);
        return;
      default:
        return unreachable(effect);
    }
  }

  /** A signer with a memory of its own is told of every view that is entered, before it is asked for a vote in it. */
  #tellSigner(records: readonly LogRecord[]): void {
    const { signer, config } = this.#epoch;
    if (signer?.entered === undefined) return;
    for (const record of records) {
      if (record.kind !== 'newView' || record.epoch !== config.validatorSet.epoch) continue;
      const newView = encodeSignedNewView(record.message);
      this.#durable.after(() => signer.entered?.(newView));
    }
  }

  #entriesOf(records: readonly LogRecord[]): readonly LogEntry[] {
    const entries: LogEntry[] = [];
    for (const record of records) {
      entries.push(encodeLogRecord(record));
      if (record.kind !== 'block') continue;
      const bodies = this.#proposals.bodies(record.block.digest);
      if (bodies === undefined) continue;
      const value = frameBodies(bodies.map((transaction) => transaction.envelopeBytes));
      entries.push({
        name: `bodies/${toHex(record.block.digest)}`,
        height: record.block.header.height,
        value,
      });
    }
    return entries;
  }

  #said(message: VerifiedMessage): void {
    const { self } = this.#epoch.config;
    if (self !== undefined) this.dispatch({ kind: 'message', from: self, message });
  }

  #setTimer(timer: TimerId, delayMs: number): void {
    this.#timers.get(timer)?.();
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      this.#timers.delete(timer);
      this.dispatch({ kind: 'timer', timer });
    };
    const cancelTimer = this.#options.ports.clock.setTimer(delayMs, () => {
      if (timer === 'view') this.#afterPruning(fire);
      else fire();
    });
    this.#timers.set(timer, () => {
      cancelled = true;
      cancelTimer();
    });
  }

  /** A lack of progress counts only if what waits could be in a block. */
  #afterPruning(then: () => void): void {
    this.#overdueWatch.prune().then(
      () => {
        this.#updateDemand();
        then();
      },
      (error: unknown) => this.#fail('the state could not be read', error),
    );
  }

  #execute({ block, source, fresh }: EffectOf<'execute'>): void {
    this.#options.observer.judging(block, fresh);
    this.#proposals.judge(block, source, fresh).then(
      ({ outcome, reason }) => {
        if (outcome === 'dropped') return;
        this.#options.observer.judged(block, outcome, reason);
        this.dispatch({
          kind: 'executed',
          digest: block.digest,
          outcome,
          ...(reason === undefined ? {} : { reason }),
        });
      },
      (error: unknown) => this.#fail('a block could not be executed', error),
    );
  }

  #built(order: EffectOf<'build'>, block: Extract<ConsensusEvent, { kind: 'built' }>['block']): void {
    this.#options.observer.built(block);
    this.dispatch({ kind: 'built', view: order.view, parent: order.parent, block });
  }

  /** A message that decodes and whose signatures hold; undefined otherwise. */
  async #authenticate(from: ValidatorIndex, bytes: Uint8Array): Promise<EpochMessage | undefined> {
    const { observer, ports } = this.#options;
    const epoch = this.#epoch;
    const decoded = decodeConsensusMessage(bytes);
    if (!decoded.ok) {
      observer.message(from, 'other', 'malformed', decoded.error.message);
      return undefined;
    }
    const message: ConsensusMessage = decoded.value;
    const authentication = beginAuthentication(message, epoch.config);
    if (!authentication.ok) {
      if (authentication.error === 'wrongValidatorSet' && this.#electorates.scheduled !== undefined) {
        const sender = epoch.config.validatorSet.validators[from];
        if (sender !== undefined) this.#early.keep(sender.id, bytes);
        return undefined;
      }
      observer.message(from, message.kind, 'malformed', authentication.error);
      return undefined;
    }
    const outcomes = await ports.verifier.verify(authentication.value.checks);
    const holds = outcomes.every(Boolean);
    observer.message(from, message.kind, holds ? 'accepted' : 'unverified', undefined);
    return holds ? { message: authentication.value.verified, epoch } : undefined;
  }

  #blockCommitted(height: Height, digest: Digest, output: BlockOutput): void {
    this.#updateInFlight();
    this.#epoch.catchUp.committed();
    const { nextValidatorSet } = output;
    const next = nextValidatorSet && epochOf(nextValidatorSet, this.#options.identity);
    if (next === undefined) this.#noteSchedule(output);
    this.dispatch({ kind: 'committed', height, digest, ...(next === undefined ? {} : { next }) });
    this.#updateDemand();
    this.#epoch.builder?.poke();
  }

  /** A block may have decided the next validator set: its members have to catch up before it takes over. */
  #noteSchedule({ writes }: BlockOutput): void {
    const bytes = writes.get(stateKeys.scheduledValidators);
    if (bytes === undefined) return;
    const scheduled = decodeValidatorSet(bytes);
    invariant(scheduled.ok, 'the ledger writes validator sets that can be read');
    this.#electorates = { ...this.#electorates, scheduled: scheduled.value };
    this.#announceElectorates();
  }

  /** The next validator set takes over, between two events: what was said under the one before is not heard any more. */
  #enterEpoch(next: NextEpoch): void {
    const { config } = this.#epoch;
    this.#epoch.stop();
    const { validatorSet, validatorSetHash } = config;
    this.#epoch = this.#partsOf({ ...config, ...next, predecessor: { validatorSet, validatorSetHash } });
    const kept = new Set<ConsensusEvent['kind']>(['executed', 'committed', 'demand']);
    this.#events = this.#events.filter(({ kind }) => kept.has(kind));
    this.#electorates = { current: next.validatorSet, previous: validatorSet, scheduled: undefined };
    this.#inbox.forget();
    this.#sources.clear();
    this.#announceElectorates();
    const { clock } = this.#options.ports;
    clock.defer(() => {
      for (const { sender, message } of this.#early.take()) {
        const from = next.validatorSet.validators.findIndex(({ id }) => id === sender);
        if (from >= 0) void this.receiveConsensus(asValidatorIndex(from), message);
      }
    });
  }

  /** A validator set by its hash: the one in force, or the one before, whose members may still be found guilty. */
  #knownSet(hash: Hash): ValidatorSet | undefined {
    const { config } = this.#epoch;
    return [config, config.predecessor].find(
      (electorate) => electorate !== undefined && equalBytes(electorate.validatorSetHash, hash),
    )?.validatorSet;
  }

  #partsOf(config: ConsensusConfig): EpochParts {
    const parts: EpochParts = new EpochParts({
      driver: this.#options,
      config,
      signer: signerIn(config.validatorSet, this.#options.identity),
      executor: this.#executor,
      proposals: this.#proposals,
      heights: () => [
        ...consensusSnapshot(this.#state).peers.map((peer) => ({
          index: peer.validator,
          height: peer.committedHeight,
        })),
        ...[...this.#sources].map(([index, height]) => ({ index, height })),
      ],
      dispatch: (event) => {
        if (parts === this.#epoch) this.dispatch(event);
      },
      said: (message) => {
        if (parts === this.#epoch) this.#said(message);
      },
      built: (order, block) => this.#built(order, block),
      inadmissible: (transaction, code) => this.desk.drop(transaction, code),
      failed: (reason, error) => {
        if (parts === this.#epoch) this.#fail(reason, error);
      },
    });
    return parts;
  }

  #announceElectorates(): void {
    const { ports, observer } = this.#options;
    ports.peers.electorates?.(this.#electorates);
    observer.electorates?.(this.#electorates, this.#epoch.config.self);
  }

  #transactionsAdmitted(transactions: readonly CheckedTransaction[]): void {
    this.#gatherer.admitted(transactions);
    this.#updateDemand();
    this.#updateInFlight();
    this.#epoch.builder?.poke();
  }

  #updateInFlight(): void {
    if (this.#epoch.builder !== undefined) this.#epoch.builder.blocksInFlight = this.#executor.size;
  }

  #updateDemand(): void {
    const pending = this.#options.mempool.hasPending();
    if (pending === this.#demand) return;
    this.#demand = pending;
    this.dispatch({ kind: 'demand', pending });
  }

  /** Heartbeat: tells peers where we stand, looks for what waits too long, relays again what was not taken. */
  #tick(): void {
    const { ports, heartbeatMs } = this.#options;
    this.#cancelTick = ports.clock.setTimer(heartbeatMs, () => {
      if (this.#stopped) return;
      ports.peers.sendStatus('all', this.status());
      this.desk.relay();
      this.#updateDemand();
      this.#updateInFlight();
      this.#epoch.builder?.poke();
      this.#overdueWatch.look();
      this.#options.observer.tick();
      this.#tick();
    });
  }

  /** A change of view is told at once. */
  #announceView(): void {
    if (this.#stopped) return;
    const status = this.status();
    const text = `${this.#epoch.config.validatorSet.epoch}/${status.view}/${status.viewChangeInProgress}`;
    if (text === this.#sentStatus) return;
    this.#sentStatus = text;
    this.#options.ports.peers.sendStatus('all', status);
  }

  #fail(reason: string, error: unknown): void {
    if (this.#stopped) return;
    void this.stop();
    this.#options.observer.halted(reason, error);
  }
}
