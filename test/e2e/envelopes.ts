/** Envelopes that no careful client sends: each with one fault, and otherwise signed as it should be. */
import {
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  type Operation,
  type TransactionEnvelope,
} from '../../src/codec/index.js';
import { transactionId, transactionSigningBytes, type Signer } from '../../src/crypto/index.js';
import { asAmount, asHeight, type ChainId } from '../../src/types/index.js';

export interface Envelope {
  readonly payload: Uint8Array;
  readonly signatures: readonly { readonly publicKey: Uint8Array; readonly signature: Uint8Array }[];
}

let serial = 0;

/** An idempotency key that was not used before. */
export function freshKey(): Uint8Array {
  const key = new Uint8Array(16);
  const view = new DataView(key.buffer);
  view.setUint32(0, process.pid);
  view.setUint32(4, ++serial);
  return key;
}

export interface PayloadOptions {
  readonly sender: string;
  readonly operations: readonly Operation[];
  readonly validUntilHeight: number;
  readonly idempotencyKey?: Uint8Array;
}

/** Canonical bytes of a payload. */
export function payloadOf({
  sender,
  operations,
  validUntilHeight,
  idempotencyKey,
}: PayloadOptions): Uint8Array {
  return encodeTransactionPayload({
    sender,
    operations,
    validUntilHeight: asHeight(validUntilHeight),
    idempotencyKey: idempotencyKey ?? freshKey(),
  });
}

/** Signs any bytes as a payload. */
export async function sealed(payload: Uint8Array, signer: Signer, chainId: ChainId): Promise<Envelope> {
  const signature = await signer.sign(transactionSigningBytes(transactionId(chainId, payload)));
  return { payload, signatures: [{ publicKey: signer.publicKey, signature }] };
}

/** Bytes of an envelope as SubmitStream takes them. */
export const envelopeBytes = ({ payload, signatures }: Envelope): Uint8Array =>
  encodeTransactionEnvelope({ payload, signatures } as TransactionEnvelope);

export const transferOf = (
  fromAccount: string,
  toAccount: string,
  asset: string,
  amount: bigint,
): Extract<Operation, { kind: 'transfer' }> => ({
  kind: 'transfer',
  fromAccount,
  toAccount,
  asset,
  amount: asAmount(amount),
  endToEndId: '',
  memo: '',
});

/** The payload with a text in it replaced by another of the same length: amounts that an encoder does not write. */
export function withText(payload: Uint8Array, text: string, replacement: string): Uint8Array {
  const from = Buffer.from(text);
  const to = Buffer.from(replacement);
  if (from.length !== to.length) throw new Error('a text is replaced by one of the same length');
  const changed = Buffer.from(payload);
  const at = changed.indexOf(from);
  if (at < 0 || changed.indexOf(from, at + 1) >= 0) throw new Error(`"${text}" is not there exactly once`);
  to.copy(changed, at);
  return new Uint8Array(changed);
}

/** A field of protobuf with a length and bytes. */
export function lengthDelimited(field: number, bytes: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>= 7) {
    if (rest < 0x80) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return Uint8Array.from([(field << 3) | 2, ...length, ...bytes]);
}
