/** One member that pays: its connection, its keys, its journal. */
import {
  readSignedTransaction,
  signTransaction,
  buildTransaction,
  type QuaestorClient,
  type SignedTransaction,
} from '../../client/index.js';
import {
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  encodeTransactionEnvelope,
  type Operation,
} from '../../codec/index.js';
import type { Signer } from '../../crypto/index.js';
import { transferOf, type Payment } from '../../payments/index.js';
import { asHeight, equalBytes } from '../../types/index.js';
import { usageError } from '../command-error.js';
import { openSigners, type OpenProfile } from '../client/open-profile.js';
import { SubmissionJournal, type JournalItem } from './journal.js';

export class Payer {
  readonly member: string;
  readonly client: QuaestorClient;
  /** Height at the start: what is final at or below it was final before. */
  readonly startHeight: number;
  readonly #signers: readonly Signer[];
  readonly #journal: SubmissionJournal;
  readonly #validForBlocks: number;
  readonly #syncing = new Map<string, Promise<void>>();

  /** Opens keys and journal of a profile, and asks where the chain stands. */
  static async open(profile: OpenProfile, signal: AbortSignal): Promise<Payer> {
    const { member } = profile.profile;
    if (member === undefined || profile.profile.keys.length === 0) {
      throw usageError(
        `The profile ${profile.dir} is not of a member with keys: it can't submit. Use the profile of a member.`,
      );
    }
    const [signers, journal] = await Promise.all([
      openSigners(profile),
      SubmissionJournal.open(profile.dir, profile.client.chainId),
    ]);
    try {
      const startHeight = await profile.client.currentHeight({ signal });
      return new Payer(profile, member, signers, journal, startHeight);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  private constructor(
    profile: OpenProfile,
    member: string,
    signers: readonly Signer[],
    journal: SubmissionJournal,
    startHeight: number,
  ) {
    this.member = member;
    this.client = profile.client;
    this.startHeight = startHeight;
    this.#signers = signers;
    this.#journal = journal;
    // Long enough for any outage that the caller waits for, short enough for the clocks of blocks to differ.
    this.#validForBlocks = Math.max(1, Math.floor(profile.genesis.parameters.validityWindowBlocks / 2));
  }

  /** The transaction that was submitted for a payment before, if there was one. */
  find(payment: Payment): SignedTransaction | undefined {
    return this.#journal.find(payment.idempotencyKey);
  }

  /** Signs a transaction for a payment, to be kept before it is submitted. */
  async sign(payment: Payment, height: number): Promise<JournalItem> {
    const { idempotencyKey, endToEndId } = payment;
    const payload = buildTransaction({
      sender: this.member,
      operations: [transferOf(payment)],
      validUntilHeight: asHeight(height + this.#validForBlocks),
      idempotencyKey,
    });
    const transaction = await signTransaction(payload, this.#signers, this.client.chainId);
    return { idempotencyKey, endToEndId, transaction };
  }

  /** The end-to-end id, of a pattern, of a payment like this one whose outcome was never learned. */
  openLike(payment: Payment, pattern: RegExp): string | undefined {
    for (const { endToEndId, transaction } of this.#journal.open(pattern)) {
      if (paysExactly(transaction, { ...payment, endToEndId })) return endToEndId;
    }
    return undefined;
  }

  /** Notes that the outcome of a payment is known. */
  settle(payment: Payment): Promise<void> {
    return this.#journal.settle(payment.idempotencyKey);
  }

  keep(items: readonly JournalItem[]): Promise<void> {
    return this.#journal.keep(items);
  }

  /** Takes over what was paid from an account since the last time, by whoever else acts for the member. */
  async sync(account: string): Promise<void> {
    const running = this.#syncing.get(account);
    if (running !== undefined) return running;
    const sync = this.#sync(account).finally(() => this.#syncing.delete(account));
    this.#syncing.set(account, sync);
    return sync;
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  async #sync(account: string): Promise<void> {
    const from = this.#journal.syncedToHeight(account);
    const missing: JournalItem[] = [];
    let newest: number | undefined;
    for await (const { txId, height } of this.client.history(account, { pageSize: 500 })) {
      if (height <= from) break;
      newest ??= height;
      const { envelope } = await this.client.getTransaction(txId);
      const payload = decodeTransactionPayload(envelope.payload);
      if (!payload.ok || payload.value.sender !== this.member) continue;
      const { idempotencyKey, operations } = payload.value;
      // What is final counts, even if another transaction was signed here for the same payment.
      const known = this.#journal.find(idempotencyKey);
      if (known !== undefined && equalBytes(known.txId, txId)) continue;
      const bytes = encodeTransactionEnvelope(envelope);
      const transaction = readSignedTransaction(bytes, this.client.chainId);
      if (!transaction.ok) throw transaction.error;
      missing.push({ idempotencyKey, endToEndId: endToEndIdOf(operations), transaction: transaction.value });
    }
    // Oldest first, as if they had been submitted from here.
    await this.#journal.keep(missing.reverse());
    if (newest !== undefined) await this.#journal.keepSynced(account, newest);
  }
}

function endToEndIdOf(operations: readonly Operation[]): string {
  const [operation] = operations;
  return operation?.kind === 'transfer' ? operation.endToEndId : '';
}

/** Whether a transaction does exactly what a payment asks for. */
export function paysExactly(transaction: SignedTransaction, payment: Payment): boolean {
  const envelope = decodeTransactionEnvelope(transaction.bytes);
  const payload = envelope.ok ? decodeTransactionPayload(envelope.value.payload) : envelope;
  if (!payload.ok) return false;
  const [operation, ...others] = payload.value.operations;
  if (operation?.kind !== 'transfer' || others.length > 0) return false;
  const wanted = transferOf(payment);
  return (
    operation.fromAccount === wanted.fromAccount &&
    operation.toAccount === wanted.toAccount &&
    operation.asset === wanted.asset &&
    operation.amount === wanted.amount &&
    operation.endToEndId === wanted.endToEndId &&
    operation.memo === wanted.memo
  );
}
