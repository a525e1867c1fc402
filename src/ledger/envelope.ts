/**
 * From the bytes of an envelope to a checked transaction, in two steps: `decodeTransaction` judges bytes and bounds and
 * says which signatures are to be checked; `markVerified` takes the outcome of these checks.
 */
import { decodeTransactionEnvelope, decodeTransactionPayload, type CodecError } from '../codec/index.js';
import {
  idempotencyHash,
  merkleLeafHash,
  transactionId,
  transactionSigningBytes,
  type SignatureCheck,
} from '../crypto/index.js';
import { err, invariant, limits, ok, type ChainId, type Result } from '../types/index.js';
import type { CheckedTransaction, DecodedTransaction } from './types.js';

/** Why an envelope is refused before the ledger sees it; the set is closed. */
export interface EnvelopeError {
  readonly code:
    | 'MALFORMED'
    | 'TOO_LARGE'
    /** Without any signature. */
    | 'UNSIGNED'
    /** A signature does not hold for this payload on this chain. */
    | 'SIGNATURE_INVALID';
  /** A sentence for people. */
  readonly message: string;
}

declare const unverified: unique symbol;

/** A decoded transaction whose signatures nobody has checked. */
export interface UnverifiedTransaction {
  readonly [unverified]: true;
  readonly transaction: DecodedTransaction;
  /** All of them must hold. */
  readonly checks: readonly SignatureCheck[];
}

/**
 * Decodes an envelope of this chain. Keeps a copy of the bytes unless they fill their buffer: a transaction that waits
 * must not hold on to the large message that it came in.
 */
export function decodeTransaction(
  bytes: Uint8Array,
  chainId: ChainId,
): Result<UnverifiedTransaction, EnvelopeError> {
  if (bytes.length > limits.maxEnvelopeBytes) {
    return err({
      code: 'TOO_LARGE',
      message: `The envelope has ${bytes.length} bytes; at most ${limits.maxEnvelopeBytes} are allowed. Split the transaction.`,
    });
  }
  const envelopeBytes = ownBytes(bytes);
  const decodedEnvelope = decodeTransactionEnvelope(envelopeBytes);
  if (!decodedEnvelope.ok) return err(refusalOf(decodedEnvelope.error));
  const envelope = decodedEnvelope.value;
  const decodedPayload = decodeTransactionPayload(envelope.payload);
  if (!decodedPayload.ok) return err(refusalOf(decodedPayload.error));
  const payload = decodedPayload.value;
  const txId = transactionId(chainId, envelope.payload);
  const message = transactionSigningBytes(txId);
  const transaction: DecodedTransaction = {
    envelopeBytes,
    envelope,
    payload,
    txId,
    leafHash: merkleLeafHash(envelopeBytes),
    idempotencyHash: idempotencyHash(payload.sender, payload.idempotencyKey),
  };
  const checks = envelope.signatures.map(({ publicKey, signature }) => ({ publicKey, message, signature }));
  return ok({ transaction, checks } as unknown as UnverifiedTransaction);
}

/** Takes the outcomes of `checks`, in order. */
export function markVerified(
  { transaction, checks }: UnverifiedTransaction,
  outcomes: readonly boolean[],
): Result<CheckedTransaction, EnvelopeError> {
  invariant(outcomes.length === checks.length && checks.length > 0, 'every signature was checked');
  const failed = outcomes.indexOf(false);
  if (failed >= 0) {
    return err({
      code: 'SIGNATURE_INVALID',
      message: `Signature ${failed + 1} of ${checks.length} does not hold. Sign the payload exactly as it is sent, with the chain id of this network.`,
    });
  }
  return ok(transaction as CheckedTransaction);
}

/**
 * Takes a transaction for verified without a check: only for bytes whose signatures this node is already sure of,
 * because it checked them before it stored them, or because they lie under a verified commit certificate.
 */
export function assumeVerified({ transaction }: UnverifiedTransaction): CheckedTransaction {
  return transaction as CheckedTransaction;
}

/**
 * Copies are cut from slabs: an array of its own for each would take twice its bytes again in administration, and cost
 * the garbage collector more than decoding costs. A slab lives as long as the last envelope in it; there are few in one,
 * and they came together.
 */
const slabBytes = 4096;
let slab = new Uint8Array(slabBytes);
let slabUsed = 0;

function ownBytes(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length === bytes.buffer.byteLength && bytes.constructor === Uint8Array) return bytes;
  if (length > slabBytes / 4) {
    const copy = new Uint8Array(length);
    copy.set(bytes);
    return copy;
  }
  if (slabUsed + length > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += length;
  slab.set(bytes, start);
  return slab.subarray(start, slabUsed);
}

function refusalOf(error: CodecError): EnvelopeError {
  if (error.code === 'TOO_LARGE') return { code: 'TOO_LARGE', message: error.message };
  if (error.code === 'MISSING_FIELD' && error.path === 'signatures') {
    return {
      code: 'UNSIGNED',
      message: 'The envelope has no signature. Sign the payload with the keys of its sender.',
    };
  }
  return { code: 'MALFORMED', message: error.message };
}
