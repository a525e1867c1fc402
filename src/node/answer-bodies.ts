import type { CheckedTransaction } from '../ledger/index.js';
import { hashKey } from '../mempool/index.js';
import type { Digest, Hash, ValidatorIndex } from '../types/index.js';
import type { PeerPort } from './ports.js';

/**
 * Answers a peer that asks for bodies of a block in flight: those that it names, or all of them with the list of their
 * hashes. No bodies at all say that they are not at hand.
 */
export function answerBodies(
  peers: PeerPort,
  transactions: readonly CheckedTransaction[] | undefined,
  to: ValidatorIndex,
  digest: Digest,
  wanted: readonly Hash[],
): void {
  if (transactions === undefined) {
    peers.sendBodies(to, digest, [], []);
    return;
  }
  const names = new Set(wanted.map(hashKey));
  const chosen =
    wanted.length === 0
      ? transactions
      : transactions.filter((transaction) => names.has(hashKey(transaction.leafHash)));
  const hashes = wanted.length === 0 ? transactions.map((transaction) => transaction.leafHash) : [];
  peers.sendBodies(
    to,
    digest,
    hashes,
    chosen.map((transaction) => transaction.envelopeBytes),
  );
}
