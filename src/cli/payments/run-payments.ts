/** Submits a payments file for a set of profiles: what `quaestor submit --payments` and `quaestor devnet run` do. */
import type { Payment, RejectedPayment } from '../../payments/index.js';
import { usageError } from '../command-error.js';
import type { OpenProfile } from '../client/open-profile.js';
import type { Output } from '../output.js';
import { Payer } from './payer.js';
import { submitPayments } from './submit-payments.js';
import type { PaymentsResult } from './report.js';
import type { PaymentReport } from './types.js';

export interface RunPaymentsOptions {
  readonly profiles: readonly OpenProfile[];
  readonly payments: AsyncIterable<Payment>;
  /** For the progress. */
  readonly total: number;
  readonly timeoutMs: number;
  readonly maxInFlight: number;
  readonly signal: AbortSignal;
  readonly output: Output;
}

/** Submits all payments and waits for each. */
export async function runPayments(options: RunPaymentsOptions): Promise<PaymentsResult> {
  return withPayers(options.profiles, options.signal, (payers) => runWith(payers, options));
}

/** The same with payers that are open already. */
export async function runWith(
  payers: ReadonlyMap<string, Payer>,
  options: RunPaymentsOptions,
): Promise<PaymentsResult> {
  const { profiles, payments, total, timeoutMs, maxInFlight, signal, output } = options;
  const [first] = profiles;
  if (first === undefined) throw usageError('No profile was given.');
  const startedMs = performance.now();
  const reports: PaymentReport[] = [];
  const ownerOf = ownersOf(first);
  for await (const report of submitPayments(payments, { payers, ownerOf, timeoutMs, maxInFlight, signal })) {
    reports.push(report);
    output.progress(`${reports.length} of ${total} payments`);
  }
  output.progressDone();
  const elapsedMs = performance.now() - startedMs;
  reports.sort((left, right) => left.payment.position - right.payment.position);
  return { reports, elapsedMs };
}

/** Opens the payers of profiles for some work, and closes them. */
export async function withPayers<T>(
  profiles: readonly OpenProfile[],
  signal: AbortSignal,
  work: (payers: ReadonlyMap<string, Payer>) => Promise<T>,
): Promise<T> {
  const payers = new Map<string, Payer>();
  try {
    const opened = await Promise.allSettled(profiles.map((profile) => Payer.open(profile, signal)));
    for (const one of opened) if (one.status === 'fulfilled') payers.set(one.value.member, one.value);
    for (const one of opened) if (one.status === 'rejected') throw one.reason;
    return await work(payers);
  } finally {
    for (const payer of payers.values()) await payer.close();
  }
}

/** Who owns an account: as the genesis says, or the ledger for accounts that came later. */
export function ownersOf({ genesis, client }: OpenProfile): (account: string) => Promise<string | undefined> {
  const owners = new Map(genesis.accounts.map(({ account, owner }) => [account, owner]));
  return async (account) => {
    const owner = owners.get(account);
    if (owner !== undefined) return owner;
    const { account: found } = await client.getAccount(account);
    return found?.owner;
  };
}

/** Collects what a payments file has that can't be submitted. */
export class Rejects {
  readonly payments: RejectedPayment[] = [];
  readonly add = (payment: RejectedPayment): void => void this.payments.push(payment);
}
