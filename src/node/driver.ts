/**
 * Carries out what the consensus core decides, in the order that it demands, on ports that stand for clock, disk,
 * network and keys: the same code in production and in the simulator. It decides nothing about the protocol itself.
 */
import {
  decodeConsensusMessage,
  encodeConsensusMessage,
  type ConsensusMessage,
  type PeerStatus,
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
  type ReplicaState,
  type TimerId,
  type VerifiedMessage,
} from '../consensus/index.js';
import type { LogEntry } from '../storage/types.js';
import type { CheckedTransaction } from '../ledger/index.js';
import type { Digest, Hash, Height, ValidatorIndex } from '../types/index.js';
import { equalBytes, quorumOf, toHex, unreachable } from '../types/index.js';
import { answerBodies } from './answer-bodies.js';
import { BodyGatherer } from './bodies.js';
import { frameBodies } from './body-framing.js';
import { BlockExecutor } from './block-executor.js';
import { BlockBuilder } from './builder.js';
import { Caster } from './caster.js';
import { CatchUp } from './catch-up.js';
import type { DriverOptions } from './driver-options.js';
import { DurableQueue } from './durable-queue.js';
import { EvidencePool } from './evidence-pool.js';
import { Finalizer } from './finalizer.js';
import { Intake } from './intake.js';
import { OverdueWatch } from './overdue-watch.js';
import { PeerInbox } from './peer-inbox.js';
import { Proposals } from './proposals.js';
import type { Recovered } from './recovery.js';
import { TransactionDesk } from './transaction-desk.js';

type EffectOf<K extends ConsensusEffect['kind']> = Extract<ConsensusEffect, { readonly kind: K }>;

/** One replica at work. Made by `createDriver`, set going by `start`. */
export class ReplicaDriver {
  readonly #options: DriverOptions;
  readonly #config: ConsensusConfig;
  readonly #durable: DurableQueue;
  readonly #executor: BlockExecutor;
  readonly #gatherer: BodyGatherer;
  readonly #proposals: Proposals;
  readonly #builder: BlockBuilder | undefined;
  readonly #catchUp: CatchUp;
  readonly #finalizer: Finalizer;
  readonly #inbox: PeerInbox;
  readonly #caster: Caster;
  readonly #overdueWatch: OverdueWatch;
  readonly #timers = new Map<TimerId, () => void>();
  readonly #events: ConsensusEvent[] = [];
  readonly #firstEffects: readonly ConsensusEffect[];
  /** Transactions: door, relay, who waits. */
  readonly desk: TransactionDesk;
  /** Who is proven to be faulty. */
  readonly evidence: EvidencePool;
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
    this.#config = config;
    this.#durable = new DurableQueue(store, (error) => this.#fail('the store could not be written', error));
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
      committed: (height, digest) => this.#blockCommitted(height, digest),
    });
    this.evidence = new EvidencePool(
      {
        ports,
        chainId: config.chainId,
        setOf: (hash) => (equalBytes(hash, config.validatorSetHash) ? config.validatorSet : undefined),
        observer,
        failed: (error) => this.#fail('evidence could not be stored', error),
      },
      recovered.evidence,
    );
    this.#catchUp = new CatchUp({
      ports,
      config,
      blocks: options.blocks,
      limits: options.syncLimits,
      proposals: this.#proposals,
      heights: () =>
        consensusSnapshot(this.#state).peers.map((peer) => ({
          index: peer.validator,
          height: peer.committedHeight,
        })),
      dispatch: (event) => this.dispatch(event),
      ended: () => mempool.restartDeadlines(clock.monotonicMs()),
      failed: (error) => this.#fail('catching up found something that must not be', error),
      observer,
    });
    this.#builder =
      config.self === undefined
        ? undefined
        : new BlockBuilder({
            clock,
            mempool,
            executor: this.#executor,
            proposals: this.#proposals,
            parameters,
            chainId: config.chainId,
            validatorSetHash: config.validatorSetHash,
            self: config.self,
            batchDelayMs: options.batchDelayMs,
            batchTransactions: options.batchTransactions,
            built: (order, block) => this.#built(order, block),
            inadmissible: (transaction, code) => this.desk.drop(transaction, code),
            failed: (error) => this.#fail('a block could not be built', error),
          });
    this.#caster = new Caster({
      ports,
      config,
      said: (message) => this.#said(message),
      failed: (error) => this.#fail('the validator key can not be used', error),
    });
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
      deliver: (from, message) => this.dispatch({ kind: 'message', from, message }),
    });
    for (const { digest, transactions } of recovered.bodies) this.#proposals.adopt(digest, transactions);
    const replica = createReplica(config, recovered.restored);
    this.#state = replica.state;
    this.#firstEffects = replica.effects;
  }

  /** Sets the replica going. */
  start(): void {
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
      this.#builder?.clearOrder();
      this.#caster.stop();
      this.#gatherer.stop();
      this.#catchUp.stop();
    }
    await this.#durable.idle();
  }

  /** Takes an event and does all that follows from it. */
  dispatch(event: ConsensusEvent): void {
    if (this.#stopped) return;
    this.#events.push(event);
    if (!this.#draining) this.#drain();
  }

  /** A consensus message arrived: it is decoded, its signatures are checked, then it becomes an event. Resolves when
   * the message is done with. Messages of one peer keep their order. */
  receiveConsensus(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.#inbox
      .receive(from, bytes)
      .catch((error: unknown) => this.#fail('a message could not be taken in', error));
  }

  receiveStatus(from: ValidatorIndex, status: PeerStatus): void {
    this.#catchUp.report(from, status.committedHeight);
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
    const quorum = quorumOf(this.#config.validatorSet.validators.length);
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
        return;
      case 'cast':
        this.#durable.after(() => this.#caster.cast(effect.statement));
        return;
      case 'send': {
        const bytes = encodeConsensusMessage(effect.message);
        this.#durable.after(() => {
          if (!this.#stopped) peers.sendConsensus(effect.to, bytes);
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
        this.#builder?.setOrder(effect);
        return;
      case 'stopBuilding':
        this.#builder?.clearOrder();
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
        this.#catchUp.start(effect.from, effect.target, effect.peers);
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
    const { self } = this.#config;
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
    this.#options.observer.judging(block);
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
  async #authenticate(from: ValidatorIndex, bytes: Uint8Array): Promise<VerifiedMessage | undefined> {
    const { observer, ports } = this.#options;
    const decoded = decodeConsensusMessage(bytes);
    if (!decoded.ok) {
      observer.message(from, 'other', 'malformed', decoded.error.message);
      return undefined;
    }
    const message: ConsensusMessage = decoded.value;
    const authentication = beginAuthentication(message, this.#config);
    if (!authentication.ok) {
      observer.message(from, message.kind, 'malformed', authentication.error);
      return undefined;
    }
    const outcomes = await ports.verifier.verify(authentication.value.checks);
    const holds = outcomes.every(Boolean);
    observer.message(from, message.kind, holds ? 'accepted' : 'unverified', undefined);
    return holds ? authentication.value.verified : undefined;
  }

  #blockCommitted(height: Height, digest: Digest): void {
    this.#updateInFlight();
    this.#catchUp.committed();
    this.dispatch({ kind: 'committed', height, digest });
    this.#updateDemand();
    this.#builder?.poke();
  }

  #transactionsAdmitted(transactions: readonly CheckedTransaction[]): void {
    this.#gatherer.admitted(transactions);
    this.#updateDemand();
    this.#updateInFlight();
    this.#builder?.poke();
  }

  #updateInFlight(): void {
    if (this.#builder !== undefined) this.#builder.blocksInFlight = this.#executor.size;
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
      this.#builder?.poke();
      this.#overdueWatch.look();
      this.#options.observer.tick();
      this.#tick();
    });
  }

  /** A change of view is told at once. */
  #announceView(): void {
    if (this.#stopped) return;
    const status = this.status();
    const text = `${status.view}/${status.viewChangeInProgress}`;
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
