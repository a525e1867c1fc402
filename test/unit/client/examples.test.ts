import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClientOptions } from '../../../src/client/index.js';
import { asHeight } from '../../../src/types/index.js';
import { followPayments, type SeenPayment } from '../../e2e/examples/follow-blocks.js';
import { pay, type Payment } from '../../e2e/examples/submit-transfer.js';
import { explainReceipt } from '../../e2e/examples/verify-offline.js';
import { serve, TestPki, type TestServer } from '../../helpers/api-servers.js';
import { FakeChain, FakeNode, memberKeys } from '../../helpers/fake-ledger.js';
import { until } from '../../helpers/until.js';

let chain: FakeChain;
let server: TestServer;
let options: ClientOptions;

beforeAll(async () => {
  const pki = await TestPki.create();
  chain = await FakeChain.create();
  server = await serve(new FakeNode(chain), pki);
  options = {
    validators: [{ address: server.address, id: 'v0' }],
    tls: await pki.issue('member', 'alpha'),
    genesis: chain.genesis,
  };
});

afterAll(() => server.server.close(100));

const payment: Payment = {
  sender: 'alpha',
  fromAccount: 'A1',
  toAccount: 'B1',
  asset: 'CHF',
  amount: 12_345n,
  endToEndId: 'INV-2024-0001',
};

describe('the examples', () => {
  it('pay, follow the payment, and verify its receipt offline', async () => {
    const receipt = await pay(options, memberKeys.alpha, payment);
    expect(explainReceipt(receipt, chain.genesis)).toMatch(
      /^The transaction was settled in block 1 at 2023-.*, as v1, v2, v3 signed\.$/,
    );
    const seen: SeenPayment[] = [];
    const controller = new AbortController();
    const following = followPayments(options, asHeight(1), controller.signal, (payment_) =>
      seen.push(payment_),
    );
    await until(() => seen.length === 1);
    controller.abort();
    await following;
    expect(seen).toMatchObject([{ height: 1, fromAccount: 'A1', toAccount: 'B1', amount: 12_345n }]);
  });

  it('say what is wrong', async () => {
    await expect(
      pay(options, memberKeys.alpha, { ...payment, amount: 10n ** 20n, endToEndId: 'INV-2' }),
    ).rejects.toThrow('Account A1 does not hold enough CHF.');
    expect(explainReceipt(new Uint8Array(3), chain.genesis)).toMatch(/^This is no receipt/);
    const other = await FakeChain.create({ validators: 7 });
    const receipt = await pay(options, memberKeys.alpha, { ...payment, endToEndId: 'INV-3' });
    expect(explainReceipt(receipt, other.genesis)).toMatch(/proves nothing.*chain/);
  });
});
