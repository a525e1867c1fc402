/** What goes on in the processes of a machine, as the world hears it. */
import type { Evidence } from '../../src/codec/model.js';
import type { DriverObserver } from '../../src/node/driver-options.js';
import type { Electorates } from '../../src/node/electorate.js';
import type { BlockCommit, LogEntry } from '../../src/storage/index.js';
import type { BlockSource } from '../../src/sync/index.js';
import { equalBytes } from '../../src/types/index.js';
import type { Machine, Process } from './machine.js';
import type { Packet } from './packet.js';

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
  /** A validator set is decided or takes over, as this machine knows. */
  electorates(machine: Machine, electorates: Electorates): void;
  /** It joins others in asking for a view. */
  joins(machine: Machine, view: number): void;
  /** The core or the door says something worth a line in the trace. */
  note(machine: Machine, numbers: readonly number[], text: () => string): void;
  /** A promise of the driver was rejected. */
  defect(machine: Machine, error: unknown): void;
  count(what: string): void;
  /** Least height that the disk of a machine has. */
  lowest(): number;
}

/** Passes on what a driver reports, as long as its process lives. */
export function processObserver(machine: Machine, process: Process, hooks: MachineHooks): DriverObserver {
  const ignore = (): void => undefined;
  const note = (numbers: readonly number[], text: () => string): void => {
    if (process.alive) hooks.note(machine, numbers, text);
  };
  return {
    notice: (notice) => {
      if (notice.kind === 'viewStarted') {
        note([1, notice.view], () => `starts view ${notice.view}`);
        if (process.alive) hooks.viewStarted(machine, notice.view);
      } else if (notice.kind === 'viewChangeStarted') {
        note([2, notice.view], () => `asks for view ${notice.view} (${notice.cause})`);
        if (process.alive && notice.cause === 'joined') hooks.joins(machine, notice.view);
      } else if (notice.kind === 'abstaining') note([9, 0], () => `falls silent (${notice.why})`);
      else if (notice.kind === 'abstentionEnded')
        note([9, notice.height], () => `may speak again at height ${notice.height}`);
      else if (notice.kind === 'checkpointStable') hooks.count('stableCheckpoints');
      else if (notice.kind === 'ignored') {
        hooks.count(`ignored ${notice.message} ${notice.reason}`);
        // Every second vote that is seen must leave evidence.
        const isDouble = notice.message === 'prepare' || notice.message === 'commit';
        if (isDouble && notice.reason === 'conflictingVote') machine.doubleVotes = true;
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
        hooks.defect(machine, new Error(`Block ${header.height} is committed with another state root.`));
    },
    admitted: ignore,
    refused: ignore,
    evidence: (evidence) => {
      machine.evidenceCount++;
      if (process.alive) hooks.evidence(machine, evidence);
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
    electorates: (electorates) => {
      if (process.alive) hooks.electorates(machine, electorates);
    },
    tick: ignore,
    halted: (reason, error) => {
      if (process.alive)
        hooks.halted(machine, error instanceof Error ? `${reason}: ${error.stack ?? error.message}` : reason);
    },
  };
}
