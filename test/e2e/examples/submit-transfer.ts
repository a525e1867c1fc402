/** Pays from one account to another and keeps the receipt. */
import { QuaestorClient, TransactionFailedError, type ClientOptions } from '../../../src/client/index.js';
import { encodeReceipt } from '../../../src/codec/index.js';
import { sha256, type Signer } from '../../../src/crypto/index.js';

export interface Payment {
  readonly sender: string;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  /** Minor units: 12 345 is CHF 123.45. */
  readonly amount: bigint;
  readonly endToEndId: string;
}

/** Returns the bytes of a receipt that proves the payment to anybody who has the genesis file. */
export async function pay(options: ClientOptions, signer: Signer, payment: Payment): Promise<Uint8Array> {
  const client = QuaestorClient.connect(options);
  try {
    const final = await client.transfer({
      ...payment,
      signers: [signer],
      // From the payment's own id: however often this runs, the payment is made once.
      idempotencyKey: sha256(new TextEncoder().encode(payment.endToEndId)),
      timeoutMs: 10_000,
    });
    return encodeReceipt(final.receipt);
  } catch (error) {
    if (error instanceof TransactionFailedError && error.transaction.code === 'INSUFFICIENT_FUNDS') {
      throw new Error(`Account ${payment.fromAccount} does not hold enough ${payment.asset}.`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    client.close();
  }
}
