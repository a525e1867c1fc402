/** One validator's machine: its disk and clocks outlive the processes that run on it, one after the other. */
import { firstValidatorSet, type Genesis } from '../../src/codec/index.js';
import type { Validator, ValidatorSet } from '../../src/codec/model.js';
import { genesisChainId } from '../../src/ledger/index.js';
import type { PeerPort } from '../../src/node/ports.js';
import { createReplicaOn, type Replica } from '../../src/node/replica.js';
import { createMemoryStore, type MemoryDiskCopy, type Store } from '../../src/storage/index.js';
import {
  asValidatorIndex,
  equalBytes,
  type Digest,
  type Hash,
  type ValidatorIndex,
} from '../../src/types/index.js';
import { processClock, type Gate, type Skew, type VirtualTime } from './clock.js';
import type { ReplicaPhase, Troubles } from './coverage.js';
import { SimDisk, SimWitness, watchedStore } from './disk.js';
import { validatorKeys } from './genesis.js';
import { processObserver, type MachineHooks } from './hooks.js';
import { simSigner, simVerifier, type Latency, type SimKey } from './keys.js';
import type { SimulationOptions } from './options.js';
import type { Packet } from './packet.js';
import { pruneSome, prunes } from './pruning.js';
import type { Random } from './random.js';
import { idOf, machineOf } from './sets.js';
import { settingsOf } from './settings.js';

/** One life of a machine. */
export interface Process {
  alive: boolean;
  readonly startedMs: number;
  syncing: boolean;
  replica?: Replica;
  store?: Store;
}

export class Machine {
  readonly index: number;
  readonly skew: Skew;
  readonly disk: SimDisk;
  readonly witness = new SimWitness();
  /** When an older folder was put in the place of the newest one; undefined for never. */
  restoredMs: number | undefined;
  /** The validator set that decides the next height, as the last process knew. */
  set: ValidatorSet;
  /** While it copies a state no process is started. */
  copying = false;
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
  /** Height that its disk surely has. */
  durableHeight = 0;
  retired = false;
  starts = 0;
  /** It has forgotten what it has said, and nothing tells it so. */
  get isForgetful(): boolean {
    return this.restoredMs !== undefined && this.#parts.options.faults.oldFolder?.witnessed === false;
  }

  /** Whether its replicas have seen a validator vote twice, and how much evidence they have reported. */
  doubleVotes = false;
  evidenceCount = 0;

  constructor(parts: MachineParts) {
    this.index = parts.index;
    this.set = firstValidatorSet(parts.genesis.validators);
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

  get validators(): readonly Validator[] {
    return this.set.validators;
  }

  get epoch(): number {
    return this.set.epoch;
  }

  /** Place of a machine in the validator set in force here; undefined when it has none. */
  placeOf(machine: number): ValidatorIndex | undefined {
    const place = this.validators.findIndex(({ id }) => id === idOf(machine));
    return place < 0 ? undefined : asValidatorIndex(place);
  }

  /** The machine at a place of the validator set in force here. */
  machineAt(place: number): number {
    const id = this.validators[place]?.id;
    return id === undefined ? -1 : machineOf(id);
  }

  /** The key of this machine that the validator set in force here has. */
  get key(): SimKey {
    const own = this.validators.find(({ id }) => id === idOf(this.index))?.publicKey;
    const [first, next] = validatorKeys(this.index);
    return own !== undefined && equalBytes(own, next.publicKey) ? next : first;
  }

  /** State of the process in the words of the coverage table; undefined when there is none. */
  phase(): ReplicaPhase | undefined {
    const process = this.#process;
    if (process?.replica === undefined) return undefined;
    const { view, viewChangeInProgress } = process.replica.driver.status();
    if (viewChangeInProgress) return 'changing';
    if (process.syncing) return 'syncing';
    if (this.starts > 1 && this.#parts.time.nowMs < process.startedMs + 100) return 'restarted';
    return this.machineAt(view % this.validators.length) === this.index ? 'primary' : 'backup';
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
    if (this.#process !== undefined || this.retired || this.copying) return;
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

  /** A stream to another machine opens. */
  meet(machine: number): void {
    const place = this.placeOf(machine);
    if (place !== undefined) this.replica?.driver.peerConnected(place);
  }

  /** Puts an older folder in the place of the newest one, while no process runs. */
  restore(copy: MemoryDiskCopy): void {
    this.disk.disk.restore(copy);
    this.restoredMs = this.#parts.time.nowMs;
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
    const peer = this.placeOf(from);
    const caught = (promise: Promise<void>): void => {
      promise.catch((error: unknown) => this.#parts.hooks.defect(this, error));
    };
    // Each receiver has bytes of its own, as behind a network.
    const copies = <T extends Uint8Array>(items: readonly T[]): T[] => items.map((item) => item.slice() as T);
    if (packet.kind === 'relay') caught(driver.receiveTransactions(copies(packet.envelopes)));
    // Only members of the set in force have an index here.
    if (peer === undefined) return;
    switch (packet.kind) {
      case 'consensus':
        caught(driver.receiveConsensus(peer, packet.bytes.slice()));
        return;
      case 'status':
        driver.receiveStatus(peer, packet.status);
        return;
      case 'relay':
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
    const { options, genesis, time, random, index, hooks } = this.#parts;
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
      validator: idOf(index),
      // Small, so that entries leave.
      memory: { stateCacheBytes: 16 * 1024 },
      hashSeed: options.seed,
      ...(options.faults.oldFolder?.witnessed !== false && { witness: this.witness }),
    });
    if (!opened.ok) throw opened.error;
    const store = watchedStore(opened.value, latency, {
      deciding: (commit) => {
        if (process.alive) hooks.deciding(this, commit);
      },
      durable: (commit) => {
        if (!process.alive) return;
        hooks.durable(this, commit);
        this.#durable(opened.value, commit.block.height);
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
    this.durableHeight = opened.value.head()?.height ?? 0;
    const [key, nextKey] = validatorKeys(index);
    const replica = await createReplicaOn({
      genesis,
      self: undefined,
      validator: idOf(index),
      settings: settingsOf(options),
      ports: {
        clock: processClock(time, this.skew, alive, this.#gate),
        store,
        peers: this.#peers(process),
        verifier: simVerifier(latency),
        signer: simSigner(key, latency),
        nextSigner: simSigner(nextKey, latency),
      },
      blocks: hooks.blocks(this),
      observer: processObserver(this, process, hooks),
    });
    if (!process.alive) return;
    process.replica = replica;
    replica.driver.start();
    hooks.started(this);
  }

  #durable(store: Store, height: number): void {
    this.durableHeight = height;
    const { options, index, hooks, random } = this.#parts;
    if (options.pruning !== true || !prunes(options.validators, index) || !random.chance(0.3)) return;
    pruneSome(store, hooks.lowest(), random).catch((error: unknown) => hooks.defect(this, error));
  }

  #peers(process: Process): PeerPort {
    const { hooks } = this.#parts;
    const send = (to: number | 'all', packet: Packet): void => {
      if (process.alive) hooks.send(this, to === 'all' ? to : this.machineAt(to), packet);
    };
    return {
      sendConsensus: (to, bytes) => send(to, { kind: 'consensus', bytes }),
      sendStatus: (to, status) => send(to, { kind: 'status', status }),
      relayTransactions: (envelopes) => send('all', { kind: 'relay', envelopes }),
      requestBodies: (to, digest, hashes) => send(to, { kind: 'fetchBodies', digest, hashes }),
      sendBodies: (to, digest: Digest, hashes: readonly Hash[], envelopes) =>
        send(to, { kind: 'bodies', digest, hashes, envelopes }),
      sendEvidence: (to, bytes) => send(to, { kind: 'evidence', bytes }),
      connected: () =>
        hooks.connected(this).flatMap((machine) => {
          const place = this.placeOf(machine);
          return place === undefined ? [] : [place];
        }),
      electorates: ({ current }) => {
        if (!process.alive) return;
        this.set = current;
      },
    };
  }
}

export interface MachineParts {
  readonly index: number;
  readonly skew: Skew;
  readonly options: SimulationOptions;
  readonly genesis: Genesis;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly hooks: MachineHooks;
  readonly troubles: Troubles;
}
