import { describe, expect, it } from '@jest/globals';
import { readPayments } from '../../../src/payments/index.js';
import type { PaymentsSource } from '../../../src/payments/index.js';
import { creditorIban, debtorIban, file, block } from './pain001-file.js';

const payments = 100_000;
const perChunk = 100;
/** Chunks that may be taken from the source before the payments of the one before were given out. */
const maxAhead = 2;

/** Counts how far the reader runs ahead of its consumer. */
class CountedSource implements PaymentsSource {
  readonly #chunks: Generator<string>;
  taken = 0;
  consumed = 0;
  maxAhead = 0;

  constructor(chunks: Generator<string>) {
    this.#chunks = chunks;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (const chunk of this.#chunks) {
      this.taken += chunk.split('10.01').length - 1;
      this.maxAhead = Math.max(this.maxAhead, this.taken - this.consumed);
      yield await Promise.resolve(chunk);
    }
  }
}

function* xmlChunks(): Generator<string> {
  const [head, tail] = file([block(['@'])], {
    count: String(payments),
    sum: String(payments * 10 + payments / 100),
  }).split('@');
  yield head ?? '';
  for (let chunk = 0; chunk < payments / perChunk; chunk++) {
    let text = '';
    for (let n = 0; n < perChunk; n++) {
      text += `<CdtTrfTxInf><PmtId><EndToEndId>E-${chunk * perChunk + n}</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">10.01</InstdAmt></Amt><CdtrAcct><Id><IBAN>${creditorIban}</IBAN></Id></CdtrAcct></CdtTrfTxInf>\n`;
    }
    yield text;
  }
  yield tail ?? '';
}

function* csvChunks(): Generator<string> {
  yield 'end_to_end_id,debtor_account,creditor_account,currency,amount\n';
  for (let chunk = 0; chunk < payments / perChunk; chunk++) {
    let text = '';
    for (let n = 0; n < perChunk; n++) {
      text += `E-${chunk * perChunk + n},${debtorIban},${creditorIban},EUR,10.01\n`;
    }
    yield text;
  }
}

describe.each([
  ['pain.001', xmlChunks, maxAhead * perChunk],
  // The CSV parser has queues of its own, of fixed lengths.
  ['CSV', csvChunks, 12 * perChunk],
])('a file of 100,000 payments in %s', (_, chunks, bound) => {
  it('is read with a bounded number of payments ahead of its consumer', async () => {
    const source = new CountedSource(chunks());
    let sum = 0n;
    for await (const item of readPayments(source)) {
      if (item.kind !== 'payment') throw new Error(JSON.stringify(item));
      source.consumed++;
      sum += item.payment.amountMinor;
    }
    expect(source.consumed).toBe(payments);
    expect(sum).toBe(BigInt(payments) * 1001n);
    expect(source.maxAhead).toBeLessThanOrEqual(bound);
  }, 120_000);
});
