/**
 * Carries out what the consensus core decides, in the order that it demands, on ports that stand for clock, disk,
 * network and keys: the same code in production and in the simulator. It decides nothing about the protocol itself.
 */
import { encodeConsensusMessage, type PeerStatus } from '../codec/index.js';
import {
  consensusSnapshot,
  createReplica,
  peerStatus,
  step,
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusSnapshot,
  type NextEpoch,
  type ReplicaState,
} from '../consensus/index.js';
import { unknownRules, type BlockOutput, type CheckedTransaction } from '../ledger/index.js';
import type { Digest, Hash, Height, ValidatorIndex } from '../types/index.js';
import { quorumOf, unreachable } from '../types/index.js';
import { answerBodies } from './answer-bodies.js';
import type { DriverOptions } from './driver-options.js';
import { makeDriverParts, type DriverParts } from './driver-parts.js';
import { epochOf, type Electorates } from './electorate.js';
import type { EpochParts } from './epoch-parts.js';
import { Epochs } from './epochs.js';
import type { EvidencePool } from './evidence-pool.js';
import { Heartbeat } from './heartbeat.js';
import { logEntriesOf } from './log-entries.js';
import { MessageGate } from './message-gate.js';
import { ProtocolTimers } from './protocol-timers.js';
import type { Recovered } from './recovery.js';
import type { TransactionDesk } from './transaction-desk.js';

type EffectOf<K extends ConsensusEffect['kind']> = Extract<ConsensusEffect, { readonly kind: K }>;

/** One replica at work. Made by `createDriver`, set going by `start`. */
export class ReplicaDriver {
  readonly #options: DriverOptions;
  readonly #parts: DriverParts;
  readonly #epochs: Epochs;
  readonly #gate: MessageGate;
  readonly #timers: ProtocolTimers;
  readonly #heartbeat: Heartbeat;
  #events: ConsensusEvent[] = [];
  readonly #firstEffects: readonly ConsensusEffect[];
  #state: ReplicaState;
  #draining = false;
  #stopped = false;
  #demand = false;

  constructor(options: DriverOptions, recovered: Recovered) {
    this.#options = options;
    this.#parts = makeDriverParts(options, recovered, {
      admitted: (transactions) => this.#transactionsAdmitted(transactions),
      committed: (height, digest, output) => this.#blockCommitted(height, digest, output),
      setOf: (hash) => this.#epochs.knownSet(hash),
      overdue: () => this.dispatch({ kind: 'overdue' }),
      failed: (reason, error) => this.#fail(reason, error),
    });
    const { executor, proposals } = this.#parts;
    this.#timers = new ProtocolTimers({
      clock: options.ports.clock,
      due: (timer, fire) => {
        if (timer === 'view') this.#afterPruning(fire);
        else fire();
      },
      fired: (timer) => this.dispatch({ kind: 'timer', timer }),
    });
    this.#heartbeat = new Heartbeat({
      clock: options.ports.clock,
      peers: options.ports.peers,
      intervalMs: options.heartbeatMs,
      status: () => this.status(),
      epoch: () => this.#epoch.config.validatorSet.epoch,
      tick: () => this.#tick(),
    });
    this.#epochs = new Epochs({
      driver: options,
      executor,
      proposals,
      heights: () =>
        consensusSnapshot(this.#state).peers.map((peer) => ({
          index: peer.validator,
          height: peer.committedHeight,
        })),
      dispatch: (event) => this.dispatch(event),
      said: (message) => {
        const { self } = this.#epoch.config;
        if (self !== undefined) this.dispatch({ kind: 'message', from: self, message });
      },
      built: (order, block) => this.#built(order, block),
      inadmissible: (transaction, code) => this.desk.drop(transaction, code),
      failed: (reason, error) => this.#fail(reason, error),
    });
    this.#gate = new MessageGate({
      driver: options,
      epochs: this.#epochs,
      deliver: (from, message) => this.dispatch({ kind: 'message', from, message }),
      failed: (error) => this.#fail('a message could not be taken in', error),
    });
    const replica = createReplica(options.config, recovered.restored);
    this.#state = replica.state;
    this.#epoch.tellSigner(recovered.restored.log, (tell) => this.#parts.durable.after(tell));
    this.#firstEffects = replica.effects;
  }

  /** Transactions: door, relay, who waits. */
  get desk(): TransactionDesk {
    return this.#parts.desk;
  }

  /** Who is proven to be faulty. */
  get evidence(): EvidencePool {
    return this.#parts.evidence;
  }

  /** Sets the replica going. */
  start(): void {
    this.#epochs.announce();
    this.#options.observer.governance?.(this.#options.governance);
    this.#draining = true;
    for (const effect of this.#firstEffects) this.#perform(effect);
    this.#draining = false;
    this.#drain();
    this.#heartbeat.start();
  }

  /** Stops for good: no event is taken, nothing is sent any more. Resolves when what was being written is written. */
  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#heartbeat.stop();
      this.#timers.stop();
      this.#epoch.stop();
      this.#parts.gatherer.stop();
    }
    await this.#parts.durable.idle();
  }

  /** Takes an event and does all that follows from it. */
  dispatch(event: ConsensusEvent): void {
    if (this.#stopped) return;
    this.#events.push(event);
    if (!this.#draining) this.#drain();
  }

  /** The validator sets that matter now. */
  get electorates(): Electorates {
    return this.#epochs.electorates;
  }

  /** The height that some node outside of the validator set in force claims; undefined when none is heard of. */
  get claimedOutside(): Height | undefined {
    return this.#epochs.claimedOutside;
  }

  /** Own place in the set in force; undefined for who has none, or not the key. */
  get self(): ValidatorIndex | undefined {
    return this.#epoch.config.self;
  }

  /** A consensus message of a validator by id: one of the scheduled set may speak before its set is in force here. */
  receiveConsensusOf(id: string, bytes: Uint8Array): Promise<void> {
    return this.#stopped ? Promise.resolve() : this.#gate.receiveOf(id, bytes);
  }

  /** A consensus message arrived: it is decoded, its signatures are checked, then it becomes an event. Resolves when
   * the message is done with. Messages of one peer keep their order. */
  receiveConsensus(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    return this.#stopped ? Promise.resolve() : this.#gate.receive(from, bytes);
  }

  /** Where a peer says that it stands; an index above those of the set in force is of a node that is not in it. */
  receiveStatus(from: ValidatorIndex, status: PeerStatus): void {
    this.#epochs.report(from, status.committedHeight);
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
    answerBodies(this.#options.ports.peers, this.#parts.proposals.bodies(digest), to, digest, wanted);
  }

  receiveBodies(
    from: ValidatorIndex,
    digest: Digest,
    hashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return this.#parts.gatherer
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
    this.#heartbeat.announceView();
  }

  #perform(effect: ConsensusEffect): void {
    const { peers } = this.#options.ports;
    switch (effect.kind) {
      case 'persist':
        this.#parts.durable.append(
          logEntriesOf(effect.records, (digest) => this.#parts.proposals.bodies(digest)),
        );
        if (effect.records.some(({ kind }) => kind === 'abstention'))
          this.#parts.durable.after(() => this.#options.ports.store.acceptOutdated());
        this.#epoch.tellSigner(effect.records, (tell) => this.#parts.durable.after(tell));
        return;
      case 'cast': {
        // Not whoever speaks once it is on disk: that may be the voice of another validator set.
        const { caster } = this.#epoch;
        this.#parts.durable.after(() => caster.cast(effect.statement));
        return;
      }
      case 'send': {
        const bytes = encodeConsensusMessage(effect.message);
        const epoch = this.#epoch;
        this.#parts.durable.after(() => {
          if (!this.#stopped && epoch === this.#epoch) peers.sendConsensus(effect.to, bytes);
        });
        return;
      }
      case 'setTimer':
        this.#timers.set(effect.timer, effect.delayMs);
        return;
      case 'cancelTimer':
        this.#timers.cancel(effect.timer);
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
        this.#parts.finalizer.commit(effect.block, effect.certificate);
        return;
      case 'discard':
        for (const digest of effect.digests) this.#parts.proposals.forget(digest);
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

  /** A lack of progress counts only if what waits could be in a block. */
  #afterPruning(then: () => void): void {
    this.#parts.overdueWatch.prune().then(
      () => {
        this.#updateDemand();
        then();
      },
      (error: unknown) => this.#fail('the state could not be read', error),
    );
  }

  #execute({ block, source, fresh }: EffectOf<'execute'>): void {
    this.#options.observer.judging(block, fresh);
    this.#parts.proposals.judge(block, source, fresh).then(
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

  #blockCommitted(height: Height, digest: Digest, output: BlockOutput): void {
    this.#updateInFlight();
    const { nextValidatorSet, governance } = output;
    this.#options.observer.governance?.(governance);
    const unknown = unknownRules(governance, height);
    if (unknown !== undefined) {
      this.#fail(unknown.message, unknown);
      return;
    }
    this.#epoch.catchUp.committed();
    const next = nextValidatorSet && epochOf(nextValidatorSet, this.#options.identity);
    if (next === undefined) this.#epochs.noteSchedule(output);
    this.dispatch({ kind: 'committed', height, digest, ...(next === undefined ? {} : { next }) });
    this.#updateDemand();
    this.#epoch.builder?.poke();
  }

  /** The next validator set takes over, between two events: what was said under the one before is not heard any more. */
  #enterEpoch(next: NextEpoch): void {
    const kept = new Set<ConsensusEvent['kind']>(['executed', 'committed', 'demand']);
    this.#events = this.#events.filter(({ kind }) => kept.has(kind));
    this.#epochs.enter(next);
    this.#gate.enterEpoch();
  }

  get #epoch(): EpochParts {
    return this.#epochs.parts;
  }

  #transactionsAdmitted(transactions: readonly CheckedTransaction[]): void {
    this.#parts.gatherer.admitted(transactions);
    this.#updateDemand();
    this.#updateInFlight();
    this.#epoch.builder?.poke();
  }

  #updateInFlight(): void {
    if (this.#epoch.builder !== undefined) this.#epoch.builder.blocksInFlight = this.#parts.executor.size;
  }

  #updateDemand(): void {
    const pending = this.#options.mempool.hasPending();
    if (pending === this.#demand) return;
    this.#demand = pending;
    this.dispatch({ kind: 'demand', pending });
  }

  /** Once per heartbeat: looks for what waits too long, relays again what was not taken. */
  #tick(): void {
    this.desk.relay();
    this.#updateDemand();
    this.#updateInFlight();
    this.#epoch.builder?.poke();
    this.#parts.overdueWatch.look();
    this.#options.observer.tick();
  }

  #fail(reason: string, error: unknown): void {
    if (this.#stopped) return;
    void this.stop();
    this.#options.observer.halted(reason, error);
  }
}
