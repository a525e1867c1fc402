/** What the SDK throws. Each has a stable `code`; `instanceof` and `code` say the same. */
import { QuaestorError, toHex, type TxId } from '../types/index.js';
import { explainResult } from './explain-result.js';
import type { Reason } from './reasons.js';
import type { FinalTransaction } from './transactions.js';

/** Base of all errors of the SDK. */
export class ClientError extends QuaestorError {}

/** A validator refused the request for a reason that the caller has to deal with. `code` is the reason. */
export class RequestError extends ClientError {
  readonly reason: Reason;
  /** Canonical gRPC status code. */
  readonly statusCode: number;
  /** Address of the validator that answered. */
  readonly validator: string;

  constructor(
    reason: Reason,
    message: string,
    options: {
      readonly statusCode: number;
      readonly validator: string;
      readonly details?: Readonly<Record<string, string>>;
    },
  ) {
    super(reason, message, options.details ?? {});
    this.reason = reason;
    this.statusCode = options.statusCode;
    this.validator = options.validator;
  }
}

/** A transaction was refused: it was not, and will not be, executed. `code` is the reason, for example
 * "SIGNATURE_INVALID". */
export class RefusedError extends RequestError {}

/** The transaction is final and had no effect: the ledger's rules refused it. Carries the receipt. */
export class TransactionFailedError extends ClientError {
  readonly transaction: FinalTransaction;

  constructor(transaction: FinalTransaction) {
    const { txId, code, failedOperation, height } = transaction;
    super(
      'TRANSACTION_FAILED',
      `Transaction ${toHex(txId)} is final in block ${height} without effect: ${code}` +
        `${failedOperation === 0 ? '' : ` in operation ${failedOperation}`}. ${explainResult(transaction)}`,
      { txId: toHex(txId), result: code, height: String(height), ...transaction.detail },
    );
    this.transaction = transaction;
  }
}

/**
 * The transaction was not seen final in time: it may or may not have been, or still be, executed. Submitting the same
 * signed transaction again is safe and tells. After its `validUntilHeight` it can no longer be executed.
 */
export class OutcomeUnknownError extends ClientError {
  readonly txId: TxId | undefined;

  constructor(
    txId: TxId | undefined,
    message: string,
    cause?: unknown,
    code: 'OUTCOME_UNKNOWN' | 'NO_QUORUM' = 'OUTCOME_UNKNOWN',
  ) {
    super(code, message, txId === undefined ? {} : { txId: toHex(txId) }, cause);
    this.txId = txId;
  }
}

/** The outcome is unknown because fewer validators than a quorum can be reached: nothing can become final now. */
export class NoQuorumError extends OutcomeUnknownError {
  constructor(txId: TxId | undefined, message: string, cause?: unknown) {
    super(txId, message, cause, 'NO_QUORUM');
  }
}

/** No validator could be reached for a read before the deadline. */
export class UnavailableError extends ClientError {
  constructor(message: string, cause?: unknown) {
    super('UNAVAILABLE', message, {}, cause);
  }
}

/** A validator sent something that does not hold against the pinned genesis: it is faulty or malicious, or belongs to
 * another network. */
export class VerificationError extends ClientError {
  /** Address of the validator that sent it. */
  readonly validator: string;

  constructor(validator: string, message: string, cause?: unknown) {
    super('VERIFICATION_FAILED', `${message} It came from ${validator}.`, { validator }, cause);
    this.validator = validator;
  }
}

/** The client was used after `close`. */
export class ClientClosedError extends ClientError {
  constructor() {
    super('CLIENT_CLOSED', 'The client is closed; connect a new one.');
  }
}
