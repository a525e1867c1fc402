/** Follows the chain and reports every payment, from any height, across restarts of validators. */
import { QuaestorClient, type ClientOptions } from '../../../src/client/index.js';
import { decodeTransactionPayload } from '../../../src/codec/index.js';
import type { Height } from '../../../src/types/index.js';

export interface SeenPayment {
  readonly height: number;
  readonly fromAccount: string;
  readonly toAccount: string;
  readonly asset: string;
  readonly amount: bigint;
}

/** Calls back for each payment that took effect, in order, until the signal is aborted. Keep the height of the last one
 * to go on later. */
export async function followPayments(
  options: ClientOptions,
  fromHeight: Height,
  signal: AbortSignal,
  onPayment: (payment: SeenPayment) => void,
): Promise<void> {
  const client = QuaestorClient.connect(options);
  try {
    for await (const block of client.blocks({ fromHeight, transactions: true, signal })) {
      for (const [index, { payload }] of (block.transactions ?? []).entries()) {
        if (block.results?.[index]?.code !== 'OK') continue;
        const decoded = decodeTransactionPayload(payload);
        if (!decoded.ok) throw decoded.error;
        for (const operation of decoded.value.operations) {
          if (operation.kind === 'transfer') onPayment({ height: block.header.height, ...operation });
        }
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    client.close();
  }
}
