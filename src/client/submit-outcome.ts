import type { TxId } from '../types/index.js';
import type { RefusalReason } from './reasons.js';
import type { FinalTransaction } from './transactions.js';

/** What became of one transaction of `submitMany`. */
export type SubmitOutcome =
  | {
      readonly kind: 'final';
      /** Position in the input, from 0. */
      readonly position: number;
      readonly txId: TxId;
      readonly transaction: FinalTransaction;
    }
  /** Not executed by this submission, as f + 1 validators say (all, if the client knows fewer); one of them is at
   * `validator`. */
  | {
      readonly kind: 'refused';
      readonly position: number;
      readonly txId: TxId;
      readonly reason: RefusalReason;
      readonly message: string;
      readonly validator: string;
    };

export interface SubmitManyOptions {
  /** Most transactions that wait for an outcome, or whose outcome waits to be taken. Default 2,000. */
  readonly maxInFlight?: number;
  /** Most transactions in one message. Default 500. */
  readonly maxBatch?: number;
  /** Without any outcome for so long another validator is tried. Default 10 s. */
  readonly stallTimeoutMs?: number;
  /** Without any outcome for so long it is given up, with NoQuorumError or OutcomeUnknownError. Default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
