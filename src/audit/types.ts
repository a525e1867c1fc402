import type { StoredBlock } from '../storage/types.js';
import type { Height } from '../types/index.js';

/** Where the audited chain is read from. What it says is not believed. */
export interface ChainSource {
  /** Last height that it has. */
  readonly head: Height;
  /** Blocks from a height on, in order; may reject with a QuaestorError that says what can't be read. */
  blocks(from: Height): AsyncIterable<StoredBlock>;
}

/** What was found wrong first. An audit ends there: what follows rests on it. */
export interface Finding {
  readonly code:
    /** Bytes that can't be read, or are not in their canonical form. */
    | 'MALFORMED'
    /** A block is missing, or another one is in its place. */
    | 'BROKEN_LINK'
    /** No quorum of the validators that decide this height has certified the block. */
    | 'NOT_CERTIFIED'
    /** A certified block holds what no block may hold: more validators than the protocol bears were faulty. */
    | 'RULE_BROKEN'
    /** Executing the block gives another result or state than was certified. */
    | 'EXECUTION_DIFFERS'
    /** A record of the store is not what follows from the blocks. */
    | 'RECORD_DIFFERS'
    /** Evidence of equivocation that proves nothing. */
    | 'EVIDENCE_INVALID'
    /** The balances do not add up, or records contradict each other. */
    | 'INVARIANT_BROKEN';
  /** Block that it is about, if it is about one. */
  readonly height: Height | undefined;
  /** A sentence that says what is wrong and where. */
  readonly message: string;
}

/** How far an audit is. */
export interface AuditProgress {
  readonly stage: 'blocks' | 'records' | 'state';
  /** Height that is checked, or records that were compared. */
  readonly done: number;
  /** Undefined where it is not known beforehand. */
  readonly total: number | undefined;
  /** Transactions that were executed by now, in this run. */
  readonly transactions: number;
}
