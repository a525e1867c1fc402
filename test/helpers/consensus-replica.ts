/** A replica of the consensus core with a disk, a builder and timers that a test drives by hand. */
import {
  beginAuthentication,
  beginSigning,
  createReplica,
  decodeLogRecord,
  encodeLogRecord,
  step,
  type BlockRef,
  type ConsensusConfig,
  type ConsensusEffect,
  type ConsensusEvent,
  type EncodedLogRecord,
  type LogRecord,
  type Notice,
  type ReplicaState,
  type Statement,
  type TimerId,
} from '../../src/consensus/index.js';
import {
  type BlockHeader,
  type CommitCertificate,
  type ConsensusMessage,
  type Evidence,
  type SignedNewView,
} from '../../src/codec/index.js';
import { validatorSetHash } from '../../src/crypto/index.js';
import {
  asValidatorIndex,
  equalBytes,
  toHex,
  type Digest,
  type Height,
  type ValidatorIndex,
} from '../../src/types/index.js';
import {
  epochAt,
  fakeSign,
  fakeVerify,
  genesisTip,
  makeBlock,
  setAt,
  testConfig,
} from './consensus-words.js';
import type { TestNet } from './consensus-net.js';

interface Stored {
  readonly height: Height;
  readonly digest: Digest;
  readonly timeMs: number;
  readonly certificate?: CommitCertificate;
  readonly block?: BlockRef;
}

/** What stands between replicas and their keys. */
export interface KeyGuard {
  /** Whether the key signs these bytes. */
  sign(replica: TestReplica, bytes: Uint8Array): boolean;
  /** A view was entered, and that is on disk. */
  entered(replica: TestReplica, newView: SignedNewView): void;
  /** A block is final and on disk. */
  final(replica: TestReplica, certificate: CommitCertificate): void;
}

/** A message on its way. */
export interface Wire {
  readonly from: ValidatorIndex;
  readonly to: ValidatorIndex;
  readonly message: ConsensusMessage;
}

type DiskItem =
  | { readonly kind: 'log'; readonly records: readonly LogRecord[] }
  | { readonly kind: 'commit'; readonly block: BlockRef; readonly certificate: CommitCertificate }
  | { readonly kind: 'then'; readonly run: () => void };

/** What a data folder holds. */
interface Folder {
  readonly log: ReadonlyMap<string, EncodedLogRecord>;
  readonly chain: readonly Stored[];
}

/** One replica with what the driver would do for it. */
export class TestReplica {
  readonly net: TestNet;
  readonly index: ValidatorIndex;
  /** Of the validator set that decides the next height here. */
  config: ConsensusConfig;
  state: ReplicaState;
  running = true;
  /** Set to keep writes back: what then is on `disk` is lost in a crash. */
  slowDisk = false;
  /** Set to answer `execute` by hand. */
  holdExecution = false;
  /** Judges a block; valid unless it names a wrong next validator set, or the test says otherwise. */
  judge: (block: BlockRef, fresh: boolean) => 'valid' | 'invalid' | 'refused' = ({ header }) =>
    equalBytes(header.nextValidatorSetHash, validatorSetHash(setAt(this.net.options, header.height + 1)))
      ? 'valid'
      : 'invalid';
  readonly log = new Map<string, EncodedLogRecord>();
  readonly chain: Stored[] = [genesisTip];
  disk: DiskItem[] = [];
  /** Local answers that wait to be given to the core. */
  local: ConsensusEvent[] = [];
  timers = new Map<TimerId, number>();
  order: Extract<ConsensusEffect, { readonly kind: 'build' }> | undefined;
  syncs: Extract<ConsensusEffect, { readonly kind: 'sync' }>[] = [];
  executions: { readonly block: BlockRef; readonly source: ValidatorIndex; readonly fresh: boolean }[] = [];
  readonly overlays = new Set<string>();
  evidence: Evidence[] = [];
  notices: Notice[] = [];
  halted: string | undefined;
  /** Set while it starts on a folder that is known to be an earlier copy. */
  outdated = false;
  /** All effects of the replica's life, and those of the last step. */
  effects: ConsensusEffect[] = [];
  last: readonly ConsensusEffect[] = [];
  #built = 0;

  constructor(net: TestNet, index: number) {
    this.net = net;
    this.index = asValidatorIndex(index);
    this.config = testConfig(net.options, index);
    this.state = this.#start();
  }

  get tip(): Stored {
    return this.chain.at(-1)!;
  }

  get height(): number {
    return this.tip.height;
  }

  #start(): ReplicaState {
    const { height, digest, timeMs, certificate } = this.tip;
    this.config = testConfig(this.net.options, this.index, height + 1);
    const log = [...this.log.values()].map((entry) => {
      const decoded = decodeLogRecord(entry);
      if (!decoded.ok) throw new Error(decoded.error);
      return decoded.value;
    });
    const committed = { height, digest, timeMs, ...(certificate !== undefined && { certificate }) };
    const created = createReplica(this.config, { committed, log, outdated: this.outdated });
    this.state = created.state;
    this.#enter(log);
    this.#perform(created.effects);
    return created.state;
  }

  /** Gives one event to the core and carries out what it wants. */
  step(event: ConsensusEvent): void {
    if (!this.running) return;
    if (event.kind === 'executed' && event.outcome === 'valid') this.overlays.add(toHex(event.digest));
    if (event.kind === 'committed' && event.next !== undefined) {
      this.config = testConfig(this.net.options, this.index, event.height + 1);
      this.local = this.local.filter(({ kind }) => kind === 'executed' || kind === 'committed');
    }
    const { state, effects } = step(this.state, event);
    this.state = state;
    this.#perform(effects);
    this.net.watch.state(this);
  }

  /** Gives the core all local answers that wait, and those that follow from them. */
  settle(): void {
    for (;;) {
      if (!this.slowDisk) this.sync();
      const event = this.local.shift();
      if (event === undefined) return;
      this.step(event);
    }
  }

  /** Makes everything durable that waits for the disk, and does what waited for it. */
  sync(most = Infinity): void {
    for (let done = 0; done < most; done++) {
      const item = this.disk.shift();
      if (item === undefined) return;
      if (item.kind === 'log') {
        for (const record of item.records) this.#write(encodeLogRecord(record));
      } else if (item.kind === 'commit') this.#commit(item.block, item.certificate);
      else item.run();
    }
  }

  #write(entry: EncodedLogRecord): void {
    this.log.set(`${entry.height}/${entry.name}`, entry);
  }

  #commit(block: BlockRef, certificate: CommitCertificate): void {
    const { height, timeMs } = block.header;
    this.chain.push({ height, digest: block.digest, timeMs, certificate, block });
    for (const [key, entry] of this.log) if (entry.height > 0 && entry.height <= height) this.log.delete(key);
    this.net.guard?.final(this, certificate);
    const next = epochAt(this.net.options, height + 1, this.index);
    const isLast = next.validatorSet.activationHeight === height + 1;
    this.local.push({ kind: 'committed', height, digest: block.digest, ...(isLast && { next }) });
  }

  /** Stops at once: only what was synced survives. */
  crash(): void {
    this.running = false;
    this.disk = [];
    this.local = [];
    this.timers.clear();
    this.order = undefined;
    this.executions = [];
    this.overlays.clear();
    this.syncs = [];
  }

  /** A copy of the data folder as it is now. */
  folder(): Folder {
    return { log: new Map(this.log), chain: [...this.chain] };
  }

  /** Stops, and starts on an earlier copy of the data folder; `known` says whether it is known to be one. */
  putBack({ log, chain }: Folder, known: boolean): void {
    this.crash();
    this.log.clear();
    for (const [key, entry] of log) this.log.set(key, entry);
    this.chain.splice(0, this.chain.length, ...chain);
    this.outdated = known;
    this.restart();
    this.outdated = false;
  }

  restart(): void {
    this.crash();
    this.running = true;
    this.#start();
    if (!this.slowDisk) this.settle();
  }

  /** Whether there is an order to build on which `propose` can act. */
  get canPropose(): boolean {
    return this.running && this.order !== undefined;
  }

  /** Carries out the standing order to build. */
  propose(
    label = `${this.index}.${this.state.view}.${++this.#built}`,
    header: Partial<BlockHeader> = {},
  ): BlockRef {
    const { order } = this;
    if (order === undefined) throw new Error(`replica ${this.index} has no order to build`);
    this.order = undefined;
    const block = makeBlock(this.config, {
      height: order.height,
      view: order.view,
      parent: order.parent,
      timeMs: order.parentTimeMs + 1,
      label,
      header: {
        nextValidatorSetHash: validatorSetHash(setAt(this.net.options, order.height + 1)),
        ...header,
      },
    });
    this.overlays.add(toHex(block.digest));
    this.step({ kind: 'built', view: order.view, parent: order.parent, block });
    this.settle();
    return block;
  }

  /** Takes a message off the wire as the driver would. */
  receive(from: ValidatorIndex, message: ConsensusMessage): void {
    if (!this.running) return;
    const place = this.placeOf(from);
    if (place === undefined) {
      this.net.refused.push({ from, to: this.index, message });
      return;
    }
    const pending = beginAuthentication(message, this.config);
    if (!pending.ok || !pending.value.checks.every(fakeVerify)) {
      this.net.refused.push({ from, to: this.index, message });
      return;
    }
    this.step({ kind: 'message', from: place, message: pending.value.verified });
    this.settle();
  }

  /** Index of a replica in the validator set in force here. */
  placeOf(replica: number): ValidatorIndex | undefined {
    const place = this.config.validatorSet.validators.findIndex(({ id }) => id === `validator-${replica}`);
    return place < 0 ? undefined : asValidatorIndex(place);
  }

  /** Number of the replica at an index of the validator set in force here. */
  replicaAt(place: ValidatorIndex): ValidatorIndex {
    return asValidatorIndex(
      Number(this.config.validatorSet.validators[place]!.id.slice('validator-'.length)),
    );
  }

  /** Lets a timer fire, if it is set. */
  fire(timer: TimerId): void {
    if (!this.timers.delete(timer)) throw new Error(`timer ${timer} of replica ${this.index} is not set`);
    this.step({ kind: 'timer', timer });
    this.settle();
  }

  give(event: ConsensusEvent): void {
    this.step(event);
    this.settle();
  }

  /** Answers the oldest `execute` that is held. */
  execute(): void {
    const execution = this.executions.shift();
    if (execution === undefined) throw new Error('nothing to execute');
    const outcome = this.judge(execution.block, execution.fresh);
    this.give({ kind: 'executed', digest: execution.block.digest, outcome });
  }

  #perform(effects: readonly ConsensusEffect[]): void {
    this.last = effects;
    this.effects.push(...effects);
    this.net.watch.effects(this, effects);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: ConsensusEffect): void {
    switch (effect.kind) {
      case 'persist':
        this.disk.push({ kind: 'log', records: effect.records });
        this.#enter(effect.records);
        return;
      case 'cast':
        this.#ofThisSet(() => this.#cast(effect.statement));
        return;
      case 'send': {
        const to = effect.to === 'all' ? effect.to : this.replicaAt(effect.to);
        this.#ofThisSet(() => this.net.post(this.index, to, effect.message));
        return;
      }
      case 'setTimer':
        this.timers.set(effect.timer, effect.delayMs);
        this.net.timerSet(this, effect.timer, effect.delayMs);
        return;
      case 'cancelTimer':
        this.timers.delete(effect.timer);
        return;
      case 'build':
        this.order = effect;
        return;
      case 'stopBuilding':
        this.order = undefined;
        return;
      case 'execute':
        this.net.watch.execution(this, effect.block);
        if (this.holdExecution) this.executions.push(effect);
        else {
          const outcome = this.judge(effect.block, effect.fresh);
          this.local.push({ kind: 'executed', digest: effect.block.digest, outcome });
        }
        return;
      case 'commit':
        this.disk.push({ kind: 'commit', block: effect.block, certificate: effect.certificate });
        return;
      case 'discard': {
        const dropped = new Set(effect.digests.map(toHex));
        for (const digest of dropped) this.overlays.delete(digest);
        this.executions = this.executions.filter(({ block }) => !dropped.has(toHex(block.digest)));
        this.local = this.local.filter(
          (event) => event.kind !== 'executed' || !dropped.has(toHex(event.digest)),
        );
        return;
      }
      case 'sync':
        this.syncs.push(effect);
        this.net.syncWanted(this);
        return;
      case 'evidence':
        this.evidence.push(effect.evidence);
        return;
      case 'halt':
        this.halted = effect.reason;
        return;
      case 'notice':
        this.notices.push(effect.notice);
        return;
    }
  }

  /** Tells the guard of the key which views were entered. */
  #enter(records: readonly LogRecord[]): void {
    const { guard } = this.net;
    if (guard === undefined) return;
    for (const record of records) {
      if (record.kind !== 'newView' || record.epoch !== this.config.validatorSet.epoch) continue;
      this.#afterDisk(() => guard.entered(this, record.message));
    }
  }

  /** Once it is on disk, unless another validator set has taken over by then. */
  #ofThisSet(run: () => void): void {
    const { config } = this;
    this.#afterDisk(() => {
      if (config === this.config) run();
    });
  }

  #afterDisk(run: () => void): void {
    if (this.disk.length === 0) run();
    else this.disk.push({ kind: 'then', run });
  }

  #cast(statement: Statement): void {
    let signing = beginSigning(statement, this.config);
    for (;;) {
      if (!signing.toSign.every((bytes) => this.net.guard?.sign(this, bytes) ?? true)) return;
      const next = signing.next(
        signing.toSign.map((bytes) => fakeSign(this.config, this.config.self!, bytes)),
      );
      if (next.kind === 'signed') {
        this.net.watch.cast(this, statement);
        this.local.push({ kind: 'message', from: this.config.self!, message: next.verified });
        this.net.post(this.index, 'all', next.message);
        return;
      }
      signing = next;
    }
  }

  /** Serves the oldest catch-up from the peers that it names. */
  serveSync(most = Infinity): void {
    const request = this.syncs.shift();
    if (request === undefined) throw new Error('no catch-up is wanted');
    let served = 0;
    for (let height: number = request.from; served < most; height++, served++) {
      const source = request.peers
        .map((peer) => this.net.replica(this.replicaAt(peer)))
        .find((peer) => peer.running && peer.height >= height);
      const stored = source?.chain[height];
      if (stored?.block === undefined || stored.certificate === undefined) break;
      // What is above the last block of the set is for the next catch-up.
      if (!equalBytes(stored.block.header.validatorSetHash, this.config.validatorSetHash)) break;
      this.give({ kind: 'certified', block: stored.block, certificate: stored.certificate });
    }
    this.give({ kind: 'syncEnded' });
  }
}
