/** Building and signing transactions: no connection needed, so that signing may happen on a machine that has none. */
import { randomBytes } from 'node:crypto';
import {
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  encodeChecked,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
} from '../codec/index.js';
import type { CodecError, KeySignature, Operation, Receipt, TransactionPayload } from '../codec/index.js';
import { transactionId, transactionSigningBytes, type Signer } from '../crypto/index.js';
import { compareBytes, equalBytes, ok } from '../types/index.js';
import type { ChainId, Height, PublicKey, Result, TxId } from '../types/index.js';
import type { VerifiedReceipt } from '../verify/index.js';

/** What a transaction is built from. */
export interface TransactionDraft {
  /** Id of the member that sends it. */
  readonly sender: string;
  /** One or several operations that take effect all or none. */
  readonly operations: readonly Operation[];
  /** Last height at which it may be executed: within the network's validity window. */
  readonly validUntilHeight: Height;
  /** 16 to 32 bytes; of all transactions of the sender with the same key at most one is executed. Random by default;
   * derive it from a business id (a payment's id) to make a repeated payment impossible. */
  readonly idempotencyKey?: Uint8Array;
}

/** A signed transaction: everything needed to submit it, now or later, once or again. */
export interface SignedTransaction {
  readonly txId: TxId;
  /** Canonical TransactionEnvelope: what to keep in order to submit it again. */
  readonly bytes: Uint8Array;
}

/** A transaction that is final: what its receipt proves, and the receipt. */
export interface FinalTransaction extends VerifiedReceipt {
  readonly receipt: Receipt;
}

/** Completes a draft. */
export function buildTransaction(draft: TransactionDraft): TransactionPayload {
  return {
    sender: draft.sender,
    idempotencyKey: draft.idempotencyKey ?? new Uint8Array(randomBytes(16)),
    validUntilHeight: draft.validUntilHeight,
    operations: draft.operations,
  };
}

/**
 * Signs a payload with one or several keys.
 *
 * @throws CodecError when a field of the payload is outside its bounds; what the signers reject with.
 */
export async function signTransaction(
  payload: TransactionPayload,
  signers: readonly Signer[],
  chainId: ChainId,
): Promise<SignedTransaction> {
  const encoded = encodeChecked(encodeTransactionPayload, decodeTransactionPayload, payload);
  if (!encoded.ok) throw encoded.error;
  const payloadBytes = encoded.value;
  const txId = transactionId(chainId, payloadBytes);
  const signatures = await signaturesOf(txId, signers);
  signatures.sort((left, right) => compareBytes(left.publicKey, right.publicKey));
  return { txId, bytes: encodeTransactionEnvelope({ payload: payloadBytes, signatures }) };
}

/** What a signed transaction says, for who is to sign it too. */
export interface TransactionContent extends TransactionPayload {
  readonly txId: TxId;
  /** Who has signed it so far. */
  readonly signedBy: readonly PublicKey[];
}

/** Reads what a signed transaction says; its signatures are not checked. */
export function readTransaction(bytes: Uint8Array, chainId: ChainId): Result<TransactionContent, CodecError> {
  const envelope = decodeTransactionEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const payload = decodeTransactionPayload(envelope.value.payload);
  if (!payload.ok) return payload;
  const signedBy = envelope.value.signatures.map(({ publicKey }) => publicKey);
  return ok({ ...payload.value, txId: transactionId(chainId, envelope.value.payload), signedBy });
}

/**
 * Adds signatures to a transaction that others have signed: an exchange, or an account whose keys are in several hands.
 * Read it with `readTransaction` first. A key that has signed already signs again.
 *
 * @throws CodecError when the bytes are no envelope, or when there are more signatures than one may have; what the
 * signers reject with.
 */
export async function cosignTransaction(
  bytes: Uint8Array,
  signers: readonly Signer[],
  chainId: ChainId,
): Promise<SignedTransaction> {
  const envelope = decodeTransactionEnvelope(bytes);
  if (!envelope.ok) throw envelope.error;
  const { payload, signatures: before } = envelope.value;
  const txId = transactionId(chainId, payload);
  const added = await signaturesOf(txId, signers);
  const signatures = [
    ...before.filter(({ publicKey }) => !added.some((own) => equalBytes(own.publicKey, publicKey))),
    ...added,
  ].sort((left, right) => compareBytes(left.publicKey, right.publicKey));
  const encoded = encodeChecked(encodeTransactionEnvelope, decodeTransactionEnvelope, {
    payload,
    signatures,
  });
  if (!encoded.ok) throw encoded.error;
  return { txId, bytes: encoded.value };
}

function signaturesOf(txId: TxId, signers: readonly Signer[]): Promise<KeySignature[]> {
  const message = transactionSigningBytes(txId);
  return Promise.all(
    signers.map(async (signer) => ({ publicKey: signer.publicKey, signature: await signer.sign(message) })),
  );
}

/** A signed transaction from its kept bytes. */
export function readSignedTransaction(
  bytes: Uint8Array,
  chainId: ChainId,
): Result<SignedTransaction, CodecError> {
  const envelope = decodeTransactionEnvelope(bytes);
  return envelope.ok ? ok({ txId: transactionId(chainId, envelope.value.payload), bytes }) : envelope;
}
