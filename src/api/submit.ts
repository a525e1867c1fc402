/** Submit: one transaction in, its receipt out, within the caller's deadline. */
import { decodeTransactionResult } from '../codec/index.js';
import { envelopeBytesFromWire, receiptToWire } from '../codec/wire-convert.js';
import type { SubmitRequest__Output } from '../codec/wire/quaestor/ledger/v1/SubmitRequest.js';
import type { SubmitResponse } from '../codec/wire/quaestor/ledger/v1/SubmitResponse.js';
import { invariant } from '../types/index.js';
import type { Budgets } from './budget.js';
import type { CallInfo } from './calls.js';
import { ApiError } from './errors.js';
import { receiptOf } from './final-block.js';
import type {
  ApiMetrics,
  FinalBlock,
  HealthPort,
  LedgerPort,
  ReadPort,
  Refusal,
  SubmissionSink,
} from './ports.js';
import { compareSender, senderPrefix } from './sender.js';

export interface SubmitContext {
  readonly ledger: LedgerPort;
  readonly reads: ReadPort;
  readonly health: HealthPort;
  readonly metrics: ApiMetrics;
  readonly budgets: Budgets;
  /** How long a call without a deadline waits. */
  readonly defaultWaitMs: number;
  /** Longest wait, whatever the deadline. */
  readonly maxWaitMs: number;
}

/**
 * How long to wait for finality: until a little before the client gives up by itself, so that the answer, which says
 * why, reaches it.
 */
export function waitMs(context: SubmitContext, deadlineMs: number | undefined, nowMs: number): number {
  if (deadlineMs === undefined) return context.defaultWaitMs;
  const leftMs = Math.max(0, deadlineMs - nowMs);
  const marginMs = Math.min(leftMs / 2, Math.max(25, Math.min(500, leftMs / 10)));
  return Math.min(context.maxWaitMs, leftMs - marginMs);
}

/** What a caller hears whose deadline passes. Says whether enough validators are there, from what is known now. */
export function undecided(context: Pick<SubmitContext, 'reads' | 'health'>): ApiError {
  const advice =
    'The transaction may still commit; submit the same envelope again to learn the outcome, it is never executed twice.';
  if (context.health.quorumReachable()) {
    return new ApiError('OUTCOME_UNKNOWN', `The transaction was not final at the deadline. ${advice}`);
  }
  const { connectedValidators, validators, quorum } = context.reads.status();
  return new ApiError(
    'NO_QUORUM',
    `There is no quorum: ${connectedValidators} of ${validators} validators are reachable from here, ${quorum} are needed. ${advice}`,
    { reachable: String(connectedValidators), validators: String(validators), quorum: String(quorum) },
  );
}

function envelopeBytesOf(request: SubmitRequest__Output): Uint8Array {
  if (request.envelope === null) {
    throw new ApiError('ENVELOPE_MALFORMED', 'The request has no envelope.', { field: 'envelope' });
  }
  const bytes = envelopeBytesFromWire(request.envelope);
  if (bytes.ok) return bytes.value;
  const reason = bytes.error.code === 'TOO_LARGE' ? 'ENVELOPE_TOO_LARGE' : 'ENVELOPE_MALFORMED';
  throw new ApiError(reason, bytes.error.message, { field: bytes.error.path });
}

/** The refusal that a sender other than the caller gets. */
export function senderRefusal(
  comparison: 'other' | 'malformed',
  member: string,
): { reason: 'SENDER_MISMATCH' | 'ENVELOPE_MALFORMED'; message: string } {
  return comparison === 'other'
    ? {
        reason: 'SENDER_MISMATCH',
        message: `The sender of the payload is not "${member}", the member that the client certificate names.`,
      }
    : {
        reason: 'ENVELOPE_MALFORMED',
        message: 'The bytes are not a canonical TransactionEnvelope with a payload that names its sender.',
      };
}

/** Counts what the node refused; what it refused because there is too much was shed. */
export function countRefusal(
  metrics: ApiMetrics,
  method: string,
  reason: Refusal['reason'],
  count: number,
): void {
  metrics.refused(reason, count);
  if (reason === 'QUOTA_EXCEEDED') metrics.shed(method, 'member_share', count);
  else if (reason === 'OVERLOADED') metrics.shed(method, 'pool', count);
}

/** Throws NOT_READY while this node can't do its part, so that clients go to another one. */
export function checkReady(health: HealthPort): void {
  const { ready, reasons } = health.ready();
  if (ready) return;
  throw new ApiError(
    'NOT_READY',
    `This node does not take transactions now: ${reasons.join(' ')} Submit to another validator.`,
  );
}

/** Handles Submit. */
export async function submit(
  context: SubmitContext,
  request: SubmitRequest__Output,
  info: CallInfo,
): Promise<SubmitResponse> {
  const member = info.caller.name;
  const bytes = envelopeBytesOf(request);
  const comparison = compareSender(bytes, senderPrefix(member));
  if (comparison !== 'same') {
    const { reason, message } = senderRefusal(comparison, member);
    context.metrics.refused(reason, 1);
    throw new ApiError(reason, message);
  }
  checkReady(context.health);
  if (!context.budgets.hasRoom(member)) {
    context.metrics.refused('QUOTA_EXCEEDED', 1);
    context.metrics.shed('LedgerService/Submit', 'in_flight', 1);
    throw new ApiError(
      'QUOTA_EXCEEDED',
      `Member "${member}" has as many transactions waiting on this node as it may; wait for some to become final.`,
      {},
      context.budgets.retryDelayMs(member),
    );
  }
  context.budgets.take(member, 1, bytes.length);
  context.metrics.submissionsInFlight(1);
  try {
    return await finality(context, bytes, member, info);
  } finally {
    context.budgets.give(member, 1, bytes.length);
    context.metrics.submissionsInFlight(-1);
  }
}

function finality(
  context: SubmitContext,
  bytes: Uint8Array,
  member: string,
  info: CallInfo,
): Promise<SubmitResponse> {
  return new Promise((resolve, reject) => {
    const sink: SubmissionSink = {
      finalized(block, entries) {
        const [index] = entries.indexes;
        invariant(index !== undefined, 'a finalized submission has an index');
        settle(() => resolve(responseOf(block, index)));
      },
      refused([refusal]) {
        invariant(refusal !== undefined, 'a refused submission has a refusal');
        countRefusal(context.metrics, 'LedgerService/Submit', refusal.reason, 1);
        const { reason, message, retryDelayMs } = refusal;
        settle(() => reject(new ApiError(reason, message, {}, retryDelayMs)));
      },
    };
    const submission = context.ledger.submit([bytes], 0, { member }, sink);
    const timer = setTimeout(
      () => settle(() => reject(undecided(context))),
      waitMs(context, info.deadlineMs, Date.now()),
    );
    // The caller is gone, or was answered because the server stops: nobody waits for this promise any more.
    const abandoned = (): void =>
      settle(() => reject(new ApiError('OUTCOME_UNKNOWN', 'The call has ended.')));
    info.signal.addEventListener('abort', abandoned, { once: true });
    function settle(answer: () => void): void {
      clearTimeout(timer);
      info.signal.removeEventListener('abort', abandoned);
      submission.cancel();
      answer();
    }
  });
}

function responseOf(block: FinalBlock, index: number): SubmitResponse {
  const receipt = receiptOf(block, index);
  const result = decodeTransactionResult(receipt.result);
  invariant(result.ok, 'results of committed blocks are canonical');
  return { txId: result.value.txId, receipt: receiptToWire(receipt) };
}
