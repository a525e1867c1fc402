/**
 * Replicas of the consensus core around a network, a disk and a builder that a test drives by hand. Messages pass
 * through `beginAuthentication` with signatures that only this file can make; nothing here is a model of the protocol.
 * After each step it checks what must hold whatever happens: see `Watch`.
 */
import {
  beginAuthentication,
  beginSigning,
  createReplica,
  decodeLogRecord,
  encodeLogRecord,
  peerStatus,
  step,
  type BlockRef,
  type ConsensusConfig,
  type ConsensusEffect,
  type ConsensusEvent,
  type EncodedLogRecord,
  type LogRecord,
  type NextEpoch,
  type Notice,
  type ReplicaState,
  type Statement,
  type TimerId,
} from '../../src/consensus/index.js';
import {
  firstValidatorSet,
  encodeBlockHeader,
  type BlockHeader,
  type CommitCertificate,
  type ConsensusMessage,
  type Evidence,
  type SignedNewView,
  type Validator,
  type ValidatorSet,
} from '../../src/codec/index.js';
import {
  headerDigest,
  merkleRoot,
  sha256,
  validatorSetHash,
  type SignatureCheck,
} from '../../src/crypto/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asValidatorIndex,
  asView,
  concatBytes,
  equalBytes,
  toHex,
  type Digest,
  type Hash,
  type Height,
  type Signature,
  type ValidatorIndex,
  type View,
} from '../../src/types/index.js';

export interface NetOptions {
  readonly n: number;
  readonly window?: number;
  readonly checkpointInterval?: number;
  readonly timeouts?: Partial<ConsensusConfig['timeouts']>;
  /** Replicas besides the first `n`, which no validator set has at the start. */
  readonly spares?: number;
  /** Validator sets that take over later, by the numbers of their replicas, in order of height. */
  readonly changes?: readonly { readonly activationHeight: number; readonly members: readonly number[] }[];
}

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => sha256(encoder.encode(text));

const validatorOf = (index: number): Validator => ({
  id: `validator-${index}`,
  member: `member-${index}`,
  publicKey: asPublicKey(bytesOf(`key ${index}`)),
});

/** The sets of a network in order of height, by the numbers of their replicas. */
function setsOf({ n, changes = [] }: NetOptions): readonly ValidatorSet[] {
  const first = firstValidatorSet(Array.from({ length: n }, (_, index) => validatorOf(index)));
  return [
    first,
    ...changes.map(({ activationHeight, members }, index) => ({
      validators: members.map(validatorOf),
      epoch: index + 1,
      activationHeight: asHeight(activationHeight),
    })),
  ];
}

/** The set that decides a height. */
export function setAt(options: NetOptions, height: number): ValidatorSet {
  return setsOf(options).findLast((set) => set.activationHeight <= Math.max(0, height))!;
}

/** A set as the core is told of it. */
function epochAt(options: NetOptions, height: number, self: number | undefined): NextEpoch {
  const validatorSet = setAt(options, height);
  const place = validatorSet.validators.findIndex(({ id }) => id === `validator-${self ?? -1}`);
  return {
    validatorSet,
    validatorSetHash: validatorSetHash(validatorSet),
    self: place < 0 ? undefined : asValidatorIndex(place),
  };
}

/** The configuration of one replica of a test network, for the set that decides a height. */
export function testConfig(options: NetOptions, self: number | undefined, height = 1): ConsensusConfig {
  const epoch = epochAt(options, height, self);
  const { activationHeight } = epoch.validatorSet;
  const { validatorSet, validatorSetHash: hash } = epochAt(options, activationHeight - 1, undefined);
  return {
    chainId: asChainId(bytesOf('chain')),
    ...epoch,
    ...(activationHeight > 0 && { predecessor: { validatorSet, validatorSetHash: hash } }),
    pipelineWindow: options.window ?? 4,
    checkpointInterval: options.checkpointInterval ?? 10,
    timeouts: {
      viewTimeoutMs: 2000,
      maxViewTimeoutMs: 20_000,
      retransmitMs: 500,
      primarySilenceMs: 3000,
      ...options.timeouts,
    },
  };
}

/** A signature that `fakeVerify` accepts: deterministic, like Ed25519. */
export function fakeSign(config: ConsensusConfig, signer: number, message: Uint8Array): Signature {
  const half = sha256(config.validatorSet.validators[signer]!.publicKey, message);
  return asSignature(concatBytes(half, half));
}

export function fakeVerify({ publicKey, message, signature }: SignatureCheck): boolean {
  const half = sha256(publicKey, message);
  return equalBytes(signature, concatBytes(half, half));
}

/** What a validator would say on the wire, whatever its replica thinks of it. */
export function say(config: ConsensusConfig, signer: number, statement: Statement): ConsensusMessage {
  let signing = beginSigning(statement, { ...config, self: asValidatorIndex(signer) });
  for (;;) {
    const next = signing.next(signing.toSign.map((bytes) => fakeSign(config, signer, bytes)));
    if (next.kind === 'signed') return next.message;
    signing = next;
  }
}

export interface BlockOptions {
  readonly height: number;
  readonly view: number;
  readonly parent: Digest;
  readonly timeMs: number;
  readonly label: string;
  readonly header?: Partial<BlockHeader>;
}

/** A block with one made-up transaction. */
export function makeBlock(config: ConsensusConfig, options: BlockOptions): BlockRef {
  const hashes: readonly Hash[] = [asHash(bytesOf(`transaction ${options.label}`))];
  const header: BlockHeader = {
    version: 1,
    chainId: config.chainId,
    height: asHeight(options.height),
    view: asView(options.view),
    prevHash: options.parent,
    transactionsRoot: asHash(merkleRoot(hashes)),
    resultsRoot: asHash(bytesOf('results')),
    stateRoot: asHash(bytesOf(`state ${options.label}`)),
    validatorSetHash: config.validatorSetHash,
    nextValidatorSetHash: config.validatorSetHash,
    timeMs: options.timeMs,
    proposer: asValidatorIndex(options.view % config.validatorSet.validators.length),
    transactionCount: 1,
    ...options.header,
  };
  const headerBytes = encodeBlockHeader(header);
  return { header, headerBytes, digest: headerDigest(headerBytes), transactionHashes: hashes };
}

export const genesisTip = {
  height: asHeight(0),
  digest: asDigest(bytesOf('genesis')),
  timeMs: 1_000_000,
} as const;

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

/**
 * What must hold at every moment, checked as it happens: no replica ever contradicts a vote or votes below a view
 * that it has asked for, nothing is said before it is on disk, blocks are committed once, in order and the same
 * everywhere, nothing is executed whose parent is not there, and memory stays bounded.
 */
class Watch {
  readonly #votes = new Map<string, string>();
  /** By epoch and replica. */
  readonly #asked = new Map<string, View>();
  readonly #final = new Map<number, string>();
  readonly #commits = new Map<TestReplica, number>();

  effects(replica: TestReplica, effects: readonly ConsensusEffect[]): void {
    const persists = effects.filter(({ kind }) => kind === 'persist').length;
    check(persists <= 1, 'a step persists at most once');
    for (const effect of effects) {
      if (effect.kind !== 'commit') continue;
      const { height } = effect.block.header;
      const before = Math.max(this.#commits.get(replica) ?? 0, replica.height);
      // A restart starts over at what is on disk.
      check(
        height === before + 1 || height === replica.height + 1,
        `commits go in order (${before}, ${height})`,
      );
      this.#commits.set(replica, height);
      const digest = toHex(effect.block.digest);
      const agreed = this.#final.get(height) ?? digest;
      check(agreed === digest, `agreement at height ${height}`);
      this.#final.set(height, digest);
      check(equalBytes(effect.certificate.digest, effect.block.digest), 'the certificate is of the block');
    }
  }

  cast(replica: TestReplica, statement: Statement): void {
    switch (statement.kind) {
      case 'prePrepare':
        this.#vote(
          replica,
          'prePrepare',
          statement.view,
          statement.block.header.height,
          statement.block.digest,
        );
        check(replica.log.has(`${statement.block.header.height}/block`), 'the block is on disk');
        return;
      case 'prepare':
      case 'commit':
        this.#vote(replica, statement.kind, statement.view, statement.height, statement.digest);
        return;
      case 'newView':
        for (const { height, digest } of statement.reproposals) {
          this.#remember(replica, 'prePrepare', statement.view, height, digest);
        }
        check(replica.log.has('0/newViewDraft'), 'the new-view is on disk');
        return;
      case 'viewChange': {
        const key = `${replica.config.validatorSet.epoch}/${replica.index}`;
        const asked = this.#asked.get(key) ?? -1;
        check(statement.body.view >= asked, 'views only grow');
        this.#asked.set(key, statement.body.view);
        check(replica.log.has('0/view'), 'the view is on disk');
        return;
      }
      case 'checkpoint':
        check(replica.chain[statement.height] !== undefined, 'a checkpoint speaks of what is on disk');
        return;
    }
  }

  #vote(replica: TestReplica, phase: string, view: View, height: Height, digest: Digest): void {
    this.#remember(replica, phase, view, height, digest);
    const { epoch, activationHeight } = replica.config.validatorSet;
    const asked = this.#asked.get(`${epoch}/${replica.index}`) ?? 0;
    check(asked <= view, 'no vote below a view that was asked for');
    check(height >= activationHeight, 'no vote below the heights of the validator set');
    check(
      setAt(replica.net.options, height).epoch === epoch,
      'no vote above the heights of the validator set',
    );
    const onDisk = replica.log.has(`${height}/vote/${phase}`) || height <= replica.height;
    check(onDisk, `a ${phase} leaves only after it is on disk`);
    if (phase === 'commit' && height > replica.height) {
      for (let below = replica.height + 1; below <= height; below++) {
        check(replica.log.has(`${below}/prepared`), 'prepared certificates of all heights below are on disk');
      }
    }
  }

  #remember(replica: TestReplica, phase: string, view: View, height: Height, digest: Digest): void {
    const key = `${replica.index}/${phase}/${view}/${height}`;
    const before = this.#votes.get(key) ?? toHex(digest);
    check(before === toHex(digest), `replica ${replica.index} contradicts its ${phase} of ${view}/${height}`);
    this.#votes.set(key, toHex(digest));
  }

  execution(replica: TestReplica, block: BlockRef): void {
    const parent = toHex(block.header.prevHash);
    const isFinal =
      this.#final.get(block.header.height - 1) === parent || parent === toHex(genesisTip.digest);
    check(isFinal || replica.overlays.has(parent), 'the state of the parent is there to execute on');
  }

  state(replica: TestReplica): void {
    const { state } = replica;
    const span = state.decided.height - state.durable.height;
    const certified = [...state.slots.values()].filter((slot) => slot.certificate !== undefined).length;
    const most = span + 2 * replica.config.pipelineWindow + 64 + certified;
    check(state.slots.size <= most, 'the number of heights is bounded');
    check(state.viewChanges.size <= state.n, 'one view-change a validator');
    check(state.blocks.size <= 4 * most, 'the number of blocks is bounded');
    for (const slot of state.slots.values()) check(slot.rounds.size <= 8, 'the number of views is bounded');
    check(span <= 2 * replica.config.pipelineWindow + certified, 'what is final but not on disk is bounded');
  }
}

function check(condition: boolean, invariant: string): void {
  if (!condition) throw new Error(`broken: ${invariant}`);
}

/** A network of replicas whose messages a test delivers. */
export class TestNet {
  readonly options: NetOptions;
  readonly watch = new Watch();
  readonly replicas: TestReplica[] = [];
  wires: Wire[] = [];
  refused: Wire[] = [];
  /** Hooks of a scheduler, for tests that run by themselves. */
  timerSet: (replica: TestReplica, timer: TimerId, delayMs: number) => void = () => undefined;
  syncWanted: (replica: TestReplica) => void = () => undefined;
  onPost: ((wire: Wire) => void) | undefined;
  guard: KeyGuard | undefined;

  constructor(options: NetOptions) {
    this.options = options;
    const count = options.n + (options.spares ?? 0);
    for (let index = 0; index < count; index++) this.replicas.push(new TestReplica(this, index));
    for (const replica of this.replicas) replica.settle();
  }

  replica(index: number): TestReplica {
    return this.replicas[index]!;
  }

  get config(): ConsensusConfig {
    return this.replica(0).config;
  }

  post(from: ValidatorIndex, to: ValidatorIndex | 'all', message: ConsensusMessage): void {
    for (const { index } of this.replicas) {
      if (index === from || (to !== 'all' && to !== index)) continue;
      const wire = { from, to: index, message };
      if (this.onPost !== undefined) this.onPost(wire);
      else this.wires.push(wire);
    }
  }

  /** Sends what a validator, Byzantine or not, says: to all others, or to some. */
  inject(signer: number, statement: Statement, to?: readonly number[]): ConsensusMessage {
    const message = say(this.config, signer, statement);
    for (const { index } of this.replicas) {
      if (index === signer || (to !== undefined && !to.includes(index))) continue;
      this.replica(index).receive(asValidatorIndex(signer), message);
    }
    return message;
  }

  /** Delivers what matches, and what follows from it, until nothing that matches is left; the rest stays. */
  deliver(matches: (wire: Wire) => boolean = () => true): void {
    for (;;) {
      const index = this.wires.findIndex(matches);
      const [wire] = index === -1 ? [] : this.wires.splice(index, 1);
      if (wire === undefined) return;
      this.replica(wire.to).receive(wire.from, wire.message);
    }
  }

  /** Loses what matches. */
  drop(matches: (wire: Wire) => boolean = () => true): void {
    this.wires = this.wires.filter((wire) => !matches(wire));
  }

  /** Everybody tells everybody where it stands, and what follows is delivered. */
  heartbeat(among: readonly number[] = this.replicas.map(({ index }) => index), deliver = true): void {
    for (const from of among) {
      const { running, state, index } = this.replica(from);
      if (!running) continue;
      const status = peerStatus(state);
      for (const to of among) {
        const place = this.replica(to).placeOf(index);
        if (to !== from && place !== undefined)
          this.replica(to).give({ kind: 'status', from: place, status });
      }
    }
    if (deliver) this.deliver((wire) => among.includes(wire.from) && among.includes(wire.to));
  }

  /** The primary of the highest view proposes a block, which everybody commits. */
  commitBlock(primary = 0): BlockRef {
    const block = this.replica(primary).propose();
    this.deliver();
    return block;
  }

  heights(): number[] {
    return this.replicas.map((replica) => replica.height);
  }

  views(): string[] {
    return this.replicas.map(({ state }) => `${state.view}${state.changing ? '?' : ''}`);
  }
}

/** Matches messages of kinds. */
export const ofKind =
  (...kinds: readonly ConsensusMessage['kind'][]) =>
  ({ message }: Wire): boolean =>
    kinds.includes(message.kind);

/** Matches messages to some replicas. */
export const toReplica =
  (...replicas: readonly number[]) =>
  ({ to }: Wire): boolean =>
    replicas.includes(to);

/** Matches messages between replicas of a group. */
export const within =
  (...replicas: readonly number[]) =>
  ({ from, to }: Wire): boolean =>
    replicas.includes(from) && replicas.includes(to);

export const both =
  (one: (wire: Wire) => boolean, other: (wire: Wire) => boolean) =>
  (wire: Wire): boolean =>
    one(wire) && other(wire);

export const not =
  (matches: (wire: Wire) => boolean) =>
  (wire: Wire): boolean =>
    !matches(wire);
