/**
 * Submission of one transaction: to one validator after the other, always the same envelope, until its receipt is there
 * and holds. This is safe because an envelope is executed at most once.
 */
import { decodeTransactionEnvelope } from '../codec/index.js';
import { receiptFromWire } from '../codec/wire-convert.js';
import type { SubmitRequest } from '../codec/wire/quaestor/ledger/v1/SubmitRequest.js';
import type { SubmitResponse__Output } from '../codec/wire/quaestor/ledger/v1/SubmitResponse.js';
import { faultyOf, toHex } from '../types/index.js';
import { attemptUntil, type Attempt, type AttemptLimits } from './attempts.js';
import { isUnavailable, type CallFailure, type Endpoint, type UnaryMethod } from './endpoint.js';
import type { ClientError } from './errors.js';
import {
  NoQuorumError,
  OutcomeUnknownError,
  RefusedError,
  TransactionFailedError,
  VerificationError,
} from './errors.js';
import type { EndpointPool } from './pool.js';
import { reasons } from './reasons.js';
import type { FinalTransaction, SignedTransaction } from './transactions.js';
import { judgeFollowing } from './follow-validators.js';
import { receiptReader, type Verifier } from './verifier.js';

const submitMethod: UnaryMethod<SubmitRequest, SubmitResponse__Output> = (client, ...rest) =>
  client.submit(...rest);

/** Submits and waits. Rejects as QuaestorClient.submit documents. */
export async function submit(
  pool: EndpointPool,
  verifier: Verifier,
  verify: boolean,
  transaction: SignedTransaction,
  limits: AttemptLimits,
): Promise<FinalTransaction> {
  const decoded = decodeTransactionEnvelope(transaction.bytes);
  if (!decoded.ok) throw decoded.error;
  const { payload, signatures } = decoded.value;
  const request: SubmitRequest = { envelope: { payload, signatures: [...signatures] } };
  const answers = new Answers(transaction, pool.endpoints.length, verifier, verify);
  const outcome = await attemptUntil<FinalTransaction>(pool, limits, async (endpoint, deadlineMs) => {
    const answer = await endpoint.call(submitMethod, request, deadlineMs, limits.signal);
    if ('failure' in answer) return answers.failure(endpoint, answer.failure);
    try {
      const judge = (): FinalTransaction => answers.receipt(endpoint, answer.response);
      return { done: await judgeFollowing(endpoint, verifier, limits.signal, judge) };
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      endpoint.lied(error, Date.now());
      return answers.disbelieved(error);
    }
  });
  if (outcome === undefined) throw answers.undecided();
  if (outcome.done.code !== 'OK') throw new TransactionFailedError(outcome.done);
  return outcome.done;
}

/** What the validators have answered so far. */
class Answers {
  readonly #transaction: SignedTransaction;
  readonly #verifier: Verifier;
  readonly #verify: boolean;
  /** Validators that say that the transaction can't be executed. */
  readonly #refusals = new Map<Endpoint, RefusedError>();
  /** Number of equal refusals that at least one correct validator must be among, as far as there are so many. */
  readonly #refusalsNeeded: number;
  /** The latest refusal that time may heal. */
  #postponed: RefusedError | undefined;
  /** Whether some validator may have taken the transaction. */
  #mayBeTaken = false;
  #latest: Error | undefined;
  /** What validators said last about the quorum, those that said something. */
  readonly #seesQuorum = new Map<Endpoint, boolean>();

  constructor(transaction: SignedTransaction, endpoints: number, verifier: Verifier, verify: boolean) {
    this.#verify = verify;
    this.#transaction = transaction;
    this.#verifier = verifier;
    this.#refusalsNeeded = Math.min(endpoints, faultyOf(verifier.validatorSet.validators.length) + 1);
  }

  receipt(endpoint: Endpoint, response: SubmitResponse__Output): FinalTransaction {
    const receipt = receiptFromWire(response.receipt);
    if (!receipt.ok) {
      throw new VerificationError(endpoint.address, 'The receipt is malformed.', receipt.error);
    }
    const { txId } = this.#transaction;
    if (!this.#verify) {
      const read = receiptReader(receipt.value.header, endpoint.address);
      return { ...read(receipt.value, txId), receipt: receipt.value };
    }
    const checked = this.#verifier.receipt(receipt.value, txId, endpoint.address);
    return { ...checked.verified, receipt: checked.receipt };
  }

  disbelieved(error: VerificationError): Attempt<never> {
    this.#mayBeTaken = true;
    this.#latest = error;
    return 'other';
  }

  failure(endpoint: Endpoint, failure: CallFailure): Attempt<never> {
    const { reason, statusCode, message, details, error } = failure;
    const retry = reason === undefined ? undefined : reasons[reason].retry;
    if (retry === 'unknown' || (retry === undefined && isUnavailable(failure))) {
      this.#mayBeTaken = true;
      this.#latest = error;
      if (reason !== 'NO_QUORUM' && reason !== 'OUTCOME_UNKNOWN') return 'failed';
      this.#seesQuorum.set(endpoint, reason === 'OUTCOME_UNKNOWN');
      return 'other';
    }
    if (retry === 'elsewhere') {
      this.#latest = error;
      return 'failed';
    }
    const options = { statusCode, details, validator: endpoint.address };
    const refusal = new RefusedError(reason ?? 'MALFORMED_REQUEST', message, options);
    if (retry === 'later') {
      this.#postponed = refusal;
      return 'failed';
    }
    this.#refusals.set(endpoint, refusal);
    if (this.#refusals.size >= this.#refusalsNeeded) throw refusal;
    return 'other';
  }

  /** The error at the deadline. */
  undecided(): ClientError {
    const { txId } = this.#transaction;
    const [refusal] = this.#refusals.values();
    const certain = !this.#mayBeTaken ? (this.#postponed ?? refusal) : undefined;
    if (certain !== undefined) return certain;
    const name = `Transaction ${toHex(txId)}`;
    const advice =
      'Submit the same signed transaction again to learn the outcome; it is never executed twice.';
    const cause = this.#latest ?? refusal ?? this.#postponed;
    const quorums = [...this.#seesQuorum.values()];
    if (quorums.length > 0 && !quorums.includes(true)) {
      return new NoQuorumError(
        txId,
        `${name} was not final at the deadline: there is no quorum of validators. It may still commit when they are back. ${advice}`,
        cause,
      );
    }
    return new OutcomeUnknownError(
      txId,
      `${name} was not seen final before the deadline. It may still commit. ${advice}`,
      cause,
    );
  }
}
