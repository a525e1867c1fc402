import type { Evidence, Governance, Parameters } from '../codec/index.js';
import type { BlockRef, ConsensusConfig, Notice } from '../consensus/types.js';
import type { StateTree } from '../crypto/index.js';
import type { Mempool } from '../mempool/index.js';
import type { BlockSource, SyncLimits } from '../sync/index.js';
import type { Height, QuaestorError, ValidatorIndex } from '../types/index.js';
import type { Execution } from './block-executor.js';
import type { Electorates, Identity } from './electorate.js';
import type { DriverPorts } from './ports.js';

/** What became of a message before the core saw it. */
export type MessageOutcome = 'accepted' | 'malformed' | 'unverified';

/** Why a piece of evidence is not kept. */
export type EvidenceRefusal =
  'duplicate' | 'full' | 'malformed' | 'unknownValidator' | 'noConflict' | 'unverified';

/** Hears what happens, for metrics and logs. Called on the event loop; must be cheap and must not throw. */
export interface DriverObserver {
  notice(notice: Notice): void;
  message(from: ValidatorIndex, type: string, outcome: MessageOutcome, detail: string | undefined): void;
  built(block: BlockRef): void;
  /** A proposal is about to be judged; `fresh`: it is proposed for the first time. */
  judging(block: BlockRef, fresh: boolean): void;
  judged(block: BlockRef, outcome: 'valid' | 'invalid' | 'refused', reason: string | undefined): void;
  /** A block was executed, state root included. */
  executed(ms: number): void;
  /** Votes were written durably. */
  logged?(ms: number): void;
  /** Transactions of a client of this node are final, so long after they came: once for each batch and block. */
  answered?(ms: number): void;
  /** A block is durable. `storeMs`: from its commit certificate until then. */
  committed(block: BlockRef, execution: Execution, storeMs: number): void;
  admitted(source: 'client' | 'peer', count: number): void;
  refused(source: 'client' | 'peer', code: string): void;
  /** Evidence is in keeping; `from` is who passed it on, undefined when it was found here. */
  evidence(evidence: Evidence, from: ValidatorIndex | undefined): void;
  evidenceRefused(from: ValidatorIndex | undefined, reason: EvidenceRefusal): void;
  syncStarted(from: Height, target: Height): void;
  /** A block came by catch-up. */
  syncBlock?(): void;
  syncEnded(end: string, height: Height): void;
  /** A catch-up by blocks can not succeed, since the others do not keep them any more. */
  historyPruned?(): void;
  syncFault(peer: ValidatorIndex, fault: string, detail: string): void;
  /** The signer did not sign a statement of this replica: SIGNER_REFUSED or SIGNER_UNAVAILABLE. */
  unsigned?(statement: string, error: QuaestorError): void;
  /** At the start, and whenever a validator set is decided or takes over: whose indexes are meant from now on. */
  electorates?(electorates: Electorates, self: ValidatorIndex | undefined): void;
  /** At the start and after every block: the rules of the next height, and what is decided and waits. */
  governance?(governance: Governance): void;
  /** Once per heartbeat. */
  tick(): void;
  /** The replica stopped for good; the process must not go on as if nothing had happened. */
  halted(reason: string, error: unknown): void;
}

export interface DriverOptions {
  readonly ports: DriverPorts;
  /** For the validator set that decides the next height. */
  readonly config: ConsensusConfig;
  readonly electorates: Electorates;
  readonly identity: Identity;
  readonly parameters: Parameters;
  /** Rules of the next height, and what waits. */
  readonly governance: Governance;
  readonly mempool: Mempool;
  readonly tree: StateTree;
  readonly observer: DriverObserver;
  /** Where missing blocks come from. */
  readonly blocks: BlockSource;
  readonly syncLimits?: Partial<SyncLimits>;
  /** Status to all peers, and the look-out for what waits too long, so often. */
  readonly heartbeatMs: number;
  /** How long a block's bodies may take to come by relay before they are asked for. */
  readonly bodyGraceMs: number;
  /** Bodies that did not come are asked of another peer after so long. */
  readonly bodyRetryMs: number;
  /** See BuilderOptions. */
  readonly batchDelayMs: number;
  readonly batchTransactions: number;
}
