/** One validator's machine: its disk and clocks outlive the processes that run on it, one after the other. */
import type { Genesis } from '../../src/codec/index.js';
import type { Evidence } from '../../src/codec/model.js';
import { genesisChainId } from '../../src/ledger/index.js';
import type { DriverObserver } from '../../src/node/driver-options.js';
import type { PeerPort } from '../../src/node/ports.js';
import { createReplicaOn, type Replica, type ReplicaSettings } from '../../src/node/replica.js';
import { createMemoryStore, type BlockCommit, type LogEntry, type Store } from '../../src/storage/index.js';
import type { BlockSource } from '../../src/sync/index.js';
import { asValidatorIndex, equalBytes, type Digest, type Hash } from '../../src/types/index.js';
import { processClock, type Gate, type Skew, type VirtualTime } from './clock.js';
import type { ReplicaPhase, Troubles } from './coverage.js';
import { SimDisk, watchedStore } from './disk.js';
import { simSigner, simVerifier, type Latency, type SimKey } from './keys.js';
import type { SimulationOptions } from './options.js';
import type { Packet } from './packet.js';
import type { Random } from './random.js';

/** What the machine tells the world, and where its packets go. */
export interface MachineHooks {
  send(machine: Machine, to: number | 'all', packet: Packet): void;
  connected(machine: Machine): readonly number[];
  blocks(machine: Machine): BlockSource;
  started(machine: Machine): void;
  /** The process gave up. */
  halted(machine: Machine, reason: string): void;
  deciding(machine: Machine, commit: BlockCommit): void;
  durable(machine: Machine, commit: BlockCommit): void;
  wrote(machine: Machine, entries: readonly LogEntry[]): void;
  /** Entries are on the disk. */
  logged(machine: Machine, entries: readonly LogEntry[]): void;
  /** The same, of what this process has written itself. */
  appended(machine: Machine, entries: readonly LogEntry[]): void;
  /** A process has read its log. */
  readLog(machine: Machine, entries: readonly LogEntry[]): void;
  evidence(machine: Machine, evidence: Evidence): void;
  viewStarted(machine: Machine, view: number): void;
  /** It joins others in asking for a view. */
  joins(machine: Machine, view: number): void;
  /** The core or the door says something worth a line in the trace. */
  note(machine: Machine, numbers: readonly number[], text: () => string): void;
  /** A promise of the driver was rejected. */
  defect(machine: Machine, error: unknown): void;
  count(what: string): void;
}

interface Process {
  alive: boolean;
  readonly startedMs: number;
  syncing: boolean;
  replica?: Replica;
  store?: Store;
}

export class Machine {
  readonly index: number;
  readonly key: SimKey;
  readonly skew: Skew;
  readonly disk: SimDisk;
  readonly #parts: MachineParts;
  #process: Process | undefined;
  #standstill: (() => void)[] | undefined;
  #slowness: number;
  /** The process dies after so many more sends, in the middle of what it is doing. */
  sendsToLive = Infinity;
  /** A write is going to fail, so the process will stop. */
  expectsHalt = false;
  /** Something on the disk is spoilt: once the process notices, it is out of service until it is replaced. */
  damaged = false;
  retired = false;
  starts = 0;
  /** Whether its replicas have seen a validator vote twice, and how much evidence they have reported. */
  doubleVotes = false;
  evidenceCount = 0;

  constructor(parts: MachineParts) {
    this.index = parts.index;
    this.key = parts.key;
    this.skew = parts.skew;
    this.#parts = parts;
    this.#slowness = parts.options.machine.slowness;
    const { time, random, options, troubles } = parts;
    this.disk = new SimDisk({ time, random, options: options.disk, gate: this.#gate, troubles });
  }

  /** Runs something of the process; later, when it stands still. */
  readonly #gate: Gate = (run) => {
    if (this.#standstill === undefined) run();
    else this.#standstill.push(run);
  };

  /** Whether the process stands still. */
  get paused(): boolean {
    return this.#standstill !== undefined;
  }

  /** Lets the process stand still: nothing of it happens until `resume`, and what comes in waits. */
  pause(): void {
    if (this.#process !== undefined) this.#standstill ??= [];
  }

  resume(): void {
    const waiting = this.#standstill ?? [];
    this.#standstill = undefined;
    // One event each, as if all had just come.
    for (const run of waiting) this.#parts.time.in(0, () => this.#gate(run));
  }

  /** State of the process in the words of the coverage table; undefined when there is none. */
  phase(): ReplicaPhase | undefined {
    const process = this.#process;
    if (process?.replica === undefined) return undefined;
    const { view, viewChangeInProgress } = process.replica.driver.status();
    if (viewChangeInProgress) return 'changing';
    if (process.syncing) return 'syncing';
    if (this.starts > 1 && this.#parts.time.nowMs < process.startedMs + 100) return 'restarted';
    return view % this.#parts.options.validators === this.index ? 'primary' : 'backup';
  }

  /** Whether a process is there, be it only starting. */
  get up(): boolean {
    return this.#process !== undefined;
  }

  /** The replica, once it has started. */
  get replica(): Replica | undefined {
    return this.#process?.replica;
  }

  get store(): Store | undefined {
    return this.#process?.store;
  }

  /** Ends delays of disk and processor. */
  calm(): void {
    this.disk.calm = true;
    this.#slowness = 0;
  }

  /** Starts a process. */
  start(): void {
    if (this.#process !== undefined || this.retired) return;
    const process: Process = { alive: true, startedMs: this.#parts.time.nowMs, syncing: false };
    this.#process = process;
    this.starts++;
    // What was not on disk yet is forgotten.
    this.doubleVotes = false;
    this.#boot(process).catch((error: unknown) => {
      if (process.alive) this.#parts.hooks.defect(this, error);
    });
  }

  /** Kills the process: nothing of it has any effect from here on. `keepPending` lets the write on its way succeed. */
  kill(keepPending: boolean): void {
    if (this.#process === undefined) return;
    this.#process.alive = false;
    this.#process = undefined;
    this.#standstill = undefined;
    this.sendsToLive = Infinity;
    this.disk.disk.crash({ keepPending });
    this.expectsHalt = false;
  }

  /** Hands a packet to the driver. */
  receive(from: number, packet: Packet): void {
    const { replica } = this;
    this.#gate(() => {
      if (this.replica === replica) this.#receive(from, packet);
    });
  }

  #receive(from: number, packet: Packet): void {
    const driver = this.#process?.replica?.driver;
    if (driver === undefined) return;
    const peer = asValidatorIndex(from);
    const caught = (promise: Promise<void>): void => {
      promise.catch((error: unknown) => this.#parts.hooks.defect(this, error));
    };
    // Each receiver has bytes of its own, as behind a network.
    const copies = <T extends Uint8Array>(items: readonly T[]): T[] => items.map((item) => item.slice() as T);
    switch (packet.kind) {
      case 'consensus':
        caught(driver.receiveConsensus(peer, packet.bytes.slice()));
        return;
      case 'status':
        driver.receiveStatus(peer, packet.status);
        return;
      case 'relay':
        caught(driver.receiveTransactions(copies(packet.envelopes)));
        return;
      case 'fetchBodies':
        driver.serveBodies(peer, packet.digest, packet.hashes);
        return;
      case 'bodies':
        caught(driver.receiveBodies(peer, packet.digest, copies(packet.hashes), copies(packet.envelopes)));
        return;
      case 'evidence':
        caught(driver.receiveEvidence(peer, packet.bytes.slice()));
        return;
    }
  }

  async #boot(process: Process): Promise<void> {
    const { options, genesis, time, random, index, key, hooks } = this.#parts;
    const alive = (): boolean => process.alive;
    const latency: Latency = (work) => {
      if (!process.alive) return new Promise(() => undefined);
      if (!time.work()) {
        // Never answered, so that the loop ends here.
        hooks.defect(this, new Error('The process does not come to rest.'));
        return new Promise(() => undefined);
      }
      if (this.#slowness === 0 || !random.chance(this.#slowness)) return Promise.resolve(work());
      return new Promise((resolve) => {
        time.in(random.between(0, options.machine.slowMs), () =>
          this.#gate(() => {
            if (process.alive) resolve(work());
          }),
        );
      });
    };
    const opened = await createMemoryStore({
      disk: this.disk.disk,
      chainId: genesisChainId(genesis),
      validator: `v${index}`,
      // Small, so that entries leave.
      memory: { stateCacheBytes: 16 * 1024 },
      hashSeed: options.seed,
    });
    if (!opened.ok) throw opened.error;
    const store = watchedStore(opened.value, latency, {
      deciding: (commit) => {
        if (process.alive) hooks.deciding(this, commit);
      },
      durable: (commit) => {
        if (process.alive) hooks.durable(this, commit);
      },
      wrote: (_kind, entries) => {
        if (process.alive) hooks.wrote(this, entries);
      },
      logged: (entries) => {
        if (!process.alive) return;
        hooks.logged(this, entries);
        hooks.appended(this, entries);
      },
      readLog: (entries) => {
        if (process.alive) hooks.readLog(this, entries);
      },
    });
    // What the process before has written may have reached the disk without its knowing.
    hooks.logged(this, await opened.value.readLog());
    process.store = opened.value;
    const replica = await createReplicaOn({
      genesis,
      self: asValidatorIndex(index),
      settings: settingsOf(options),
      ports: {
        clock: processClock(time, this.skew, alive, this.#gate),
        store,
        peers: this.#peers(process),
        verifier: simVerifier(latency),
        signer: simSigner(key, latency),
      },
      blocks: hooks.blocks(this),
      observer: this.#observer(process),
    });
    if (!process.alive) return;
    process.replica = replica;
    replica.driver.start();
    hooks.started(this);
  }

  #peers(process: Process): PeerPort {
    const { hooks } = this.#parts;
    const send = (to: number | 'all', packet: Packet): void => {
      if (!process.alive) return;
      hooks.send(this, to, packet);
    };
    return {
      sendConsensus: (to, bytes) => send(to, { kind: 'consensus', bytes }),
      sendStatus: (to, status) => send(to, { kind: 'status', status }),
      relayTransactions: (envelopes) => send('all', { kind: 'relay', envelopes }),
      requestBodies: (to, digest, hashes) => send(to, { kind: 'fetchBodies', digest, hashes }),
      sendBodies: (to, digest: Digest, hashes: readonly Hash[], envelopes) =>
        send(to, { kind: 'bodies', digest, hashes, envelopes }),
      sendEvidence: (to, bytes) => send(to, { kind: 'evidence', bytes }),
      connected: () => hooks.connected(this).map(asValidatorIndex),
    };
  }

  #observer(process: Process): DriverObserver {
    const { hooks } = this.#parts;
    const ignore = (): void => undefined;
    const note = (numbers: readonly number[], text: () => string): void => {
      if (process.alive) hooks.note(this, numbers, text);
    };
    return {
      notice: (notice) => {
        if (notice.kind === 'viewStarted') {
          note([1, notice.view], () => `starts view ${notice.view}`);
          if (process.alive) hooks.viewStarted(this, notice.view);
        } else if (notice.kind === 'viewChangeStarted') {
          note([2, notice.view], () => `asks for view ${notice.view} (${notice.cause})`);
          if (process.alive && notice.cause === 'joined') hooks.joins(this, notice.view);
        } else if (notice.kind === 'checkpointStable') hooks.count('stableCheckpoints');
        else if (notice.kind === 'ignored') {
          hooks.count(`ignored ${notice.message} ${notice.reason}`);
          // Every second vote that is seen must leave evidence.
          const isDouble = notice.message === 'prepare' || notice.message === 'commit';
          if (isDouble && notice.reason === 'conflictingVote') this.doubleVotes = true;
        }
      },
      message: (from, type, outcome, detail) => {
        if (outcome === 'accepted') return;
        hooks.count(`message ${outcome}`);
        note([3, from], () => `refuses ${type} of ${from}: ${outcome} ${detail ?? ''}`);
      },
      built: ({ header }) =>
        note([4, header.height], () => `builds block ${header.height} (${header.transactionCount} txs)`),
      judging: ignore,
      judged: ({ header }, outcome, reason) => {
        hooks.count(`judged ${outcome}`);
        if (outcome !== 'valid')
          note([5, header.height], () => `judges block ${header.height} ${outcome}: ${reason ?? ''}`);
      },
      executed: ignore,
      committed: ({ header }, { tree }) => {
        if (process.alive && !equalBytes(header.stateRoot, tree.root))
          hooks.defect(this, new Error(`Block ${header.height} is committed with another state root.`));
      },
      admitted: ignore,
      refused: ignore,
      evidence: (evidence) => {
        this.evidenceCount++;
        if (process.alive) hooks.evidence(this, evidence);
      },
      evidenceRefused: (_from, reason) => hooks.count(`evidence ${reason}`),
      syncStarted: (from, target) => {
        process.syncing = true;
        note([6, from, target], () => `catches up from ${from} to ${target}`);
      },
      syncEnded: (end, height) => {
        process.syncing = false;
        hooks.count(`sync ${end}`);
        note([7, height], () => `catch-up ends at ${height}: ${end}`);
      },
      syncFault: (peer, fault, detail) => {
        hooks.count(`sync peer ${fault}`);
        note([8, peer], () => `catch-up: ${peer} ${fault}: ${detail}`);
      },
      tick: ignore,
      halted: (reason, error) => {
        if (process.alive)
          hooks.halted(this, error instanceof Error ? `${reason}: ${error.stack ?? error.message}` : reason);
      },
    };
  }
}

export interface MachineParts {
  readonly index: number;
  readonly key: SimKey;
  readonly skew: Skew;
  readonly options: SimulationOptions;
  readonly genesis: Genesis;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly hooks: MachineHooks;
  readonly troubles: Troubles;
}

function settingsOf(options: SimulationOptions): ReplicaSettings {
  return {
    timeouts: options.timeouts,
    heartbeatMs: options.heartbeatMs,
    bodyGraceMs: 10,
    bodyRetryMs: 80,
    batchDelayMs: 5,
    batchTransactions: 10,
    treeBytes: 20 * 1024,
    mempool: {
      maxTransactions: options.mempoolTransactions,
      maxBytes: 1_000_000,
      maxMemberTransactions: options.mempoolTransactions,
      maxMemberBytes: 500_000,
      relayAgainMs: 400,
      inclusionDeadlineMs: options.inclusionDeadlineMs,
    },
    syncLimits: {
      maxRangeBlocks: 4,
      windowBlocks: 16,
      progressTimeoutMs: 400,
      requestTimeoutMs: 3000,
      liarShunMs: 5000,
    },
  };
}
