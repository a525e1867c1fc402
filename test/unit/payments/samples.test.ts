import { describe, expect, it } from '@jest/globals';
import { createReadStream, readFileSync } from 'node:fs';
import { formatAmount, loadWorld } from '../../../src/config/index.js';
import { readPayments, validatePaymentsFile } from '../../../src/payments/index.js';
import type { Payment } from '../../../src/payments/index.js';

const treasury = 'configs/payments/treasury-2026-11.xml';
const sample = 'configs/payments/sample.csv';

async function paymentsOf(path: string): Promise<Payment[]> {
  const payments: Payment[] = [];
  for await (const item of readPayments(createReadStream(path))) {
    if (item.kind === 'payment') payments.push(item.payment);
  }
  return payments;
}

describe('configs/payments', () => {
  it('has a pain.001 file of 240 good payments in six currencies from six institutions', async () => {
    const summary = await validatePaymentsFile(() => createReadStream(treasury));
    expect(summary).toMatchObject({
      format: 'pain001',
      payments: 240,
      valid: 240,
      submittable: 'all',
      fileProblems: [],
      warned: 0,
    });
    expect([...summary.totals.keys()]).toEqual(['CHF', 'EUR', 'GBP', 'JPY', 'KWD', 'USD']);
    expect(summary.bytes).toBe(readFileSync(treasury).length);
  });

  it('has a CSV file of good payments', async () => {
    const summary = await validatePaymentsFile(() => createReadStream(sample));
    expect(summary).toMatchObject({ format: 'csv', payments: 12, valid: 12, submittable: 'all' });
  });

  it('is what its generator writes', async () => {
    const url = new URL('../../../configs/payments/generate.mjs', import.meta.url);
    const generator = (await import(url.href)) as { readonly xml: string; readonly csv: string };
    expect(readFileSync(treasury, 'utf8')).toBe(generator.xml);
    expect(readFileSync(sample, 'utf8')).toBe(generator.csv);
  });

  it('pays only between accounts of configs/devnet.yaml, in their currencies, within their funds', async () => {
    const loaded = await loadWorld('configs/devnet.yaml');
    if (!loaded.ok) throw loaded.error;
    const world = loaded.value;
    const owners = new Map(world.accounts.map(({ account, owner }) => [account, owner]));
    const exponents = new Map(world.assets.map(({ asset, exponent }) => [asset, exponent]));
    const balances = new Map(
      world.balances.map(({ account, asset, amount }) => [`${account} ${asset}`, BigInt(amount)]),
    );
    const payments = [...(await paymentsOf(treasury)), ...(await paymentsOf(sample))];
    expect(payments).toHaveLength(252);
    for (const { debtorAccount, creditorAccount, currency, exponent, amountMinor } of payments) {
      expect(owners.has(debtorAccount) && owners.has(creditorAccount)).toBe(true);
      expect(exponents.get(currency)).toBe(exponent);
      const key = `${debtorAccount} ${currency}`;
      const left = (balances.get(key) ?? 0n) - amountMinor;
      expect([key, left >= 0n ? 'enough' : formatAmount(left, exponent)]).toEqual([key, 'enough']);
      balances.set(key, left);
    }
    expect(new Set(payments.map(({ debtorAccount }) => owners.get(debtorAccount))).size).toBe(6);
    expect(new Set(payments.map(({ idempotencyKey }) => idempotencyKey.join())).size).toBe(252);
  });

  it('names at least four institutions and one validator each of four members', async () => {
    const loaded = await loadWorld('configs/devnet.yaml');
    if (!loaded.ok) throw loaded.error;
    expect(loaded.value.members.length).toBeGreaterThanOrEqual(4);
    expect(new Set(loaded.value.validators.map(({ member }) => member)).size).toBe(4);
  });
});
