import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeAccount, decodeBalance, type Operation } from '../../../src/codec/index.js';
import { checkInvariants } from '../../../src/ledger/index.js';
import { asAmount, limits } from '../../../src/types/index.js';
import { LedgerModel, type ModelPolicy, type ModelTransaction } from '../../helpers/ledger-model.js';
import { policyOf, TestLedger, testParameters, transactionOf } from '../../helpers/ledger.js';

const member = fc.constantFrom('alpha', 'beta', 'central', 'gamma');
const account = fc.constantFrom('alpha-1', 'alpha-2', 'beta-1', 'central-1', 'new-1', 'new-2');
const asset = fc.constantFrom('CHF', 'CHF', 'EUR', 'USD');
const amount = fc
  .oneof(
    { weight: 8, arbitrary: fc.bigInt(1n, 600n) },
    { weight: 1, arbitrary: fc.constantFrom(limits.maxAmount, limits.maxAmount - 2000n, 2n ** 127n) },
  )
  .map(asAmount);
const policy = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'alpha'), { minLength: 1, maxLength: 3 })
  .chain((names) =>
    fc.integer({ min: 1, max: names.length }).map((threshold): ModelPolicy => ({ threshold, names })),
  );

interface Step {
  readonly operation: Operation;
  readonly policy?: ModelPolicy;
}
const keysOf = ({ threshold, names }: ModelPolicy) => policyOf(threshold, ...names);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ fromAccount: account, toAccount: account, asset, amount })
      .map((fields): Step => ({ operation: { kind: 'transfer', ...fields, endToEndId: '', memo: '' } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ asset, account, amount })
      .map((fields): Step => ({ operation: { kind: 'mint', ...fields } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ asset, account, amount })
      .map((fields): Step => ({ operation: { kind: 'burn', ...fields } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ account, own: fc.option(policy, { nil: undefined }) })
      .map(({ account: id, own }): Step =>
        own === undefined
          ? { operation: { kind: 'createAccount', account: id } }
          : { operation: { kind: 'createAccount', account: id, policy: keysOf(own) }, policy: own },
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ asset, issuer: member })
      .map((fields): Step => ({ operation: { kind: 'createAsset', ...fields, exponent: 2, name: '' } })),
  },
  {
    weight: 1,
    arbitrary: fc.record({ member, policy }).map((fields): Step => ({
      operation: { kind: 'registerMember', member: fields.member, name: '', policy: keysOf(fields.policy) },
      policy: fields.policy,
    })),
  },
);

/** The height is that of the block, the validity is relative to it: around both ends of what is allowed. */
const transaction = fc.record({
  sender: member,
  signers: fc.oneof(
    { weight: 4, arbitrary: fc.constant(['alpha', 'beta', 'central', 'a', 'b', 'c']) },
    {
      weight: 1,
      arbitrary: fc.uniqueArray(fc.constantFrom('alpha', 'beta', 'central', 'a', 'b', 'c'), { minLength: 1 }),
    },
  ),
  key: fc.integer({ min: 1, max: 60 }).map(String),
  validity: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 10 }) },
    { weight: 1, arbitrary: fc.integer({ min: -2, max: 12 }) },
  ),
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
});

const block = fc.record({
  skip: fc.constantFrom(0, 0, 0, 1, 4, 9, 10, 11),
  transactions: fc.array(transaction, { maxLength: 8 }),
});

function modelOfTestGenesis(): LedgerModel {
  const of = (name: string) => ({ threshold: 1, names: [name] });
  return new LedgerModel(
    {
      members: new Map([
        ['alpha', { policy: of('alpha'), registrar: false, assetAdmin: false }],
        ['beta', { policy: of('beta'), registrar: false, assetAdmin: false }],
        ['central', { policy: of('central'), registrar: true, assetAdmin: true }],
      ]),
      accounts: new Map(
        ['alpha-1', 'alpha-2', 'beta-1', 'central-1'].map((id) => [id, { owner: id.slice(0, -2) }]),
      ),
      assets: new Map([
        ['CHF', { issuer: 'central', issued: 2000n, burned: 0n }],
        ['EUR', { issuer: 'central', issued: 0n, burned: 0n }],
      ]),
      balances: new Map([
        ['alpha-1 CHF', 1000n],
        ['beta-1 CHF', 1000n],
      ]),
    },
    testParameters.validityWindowBlocks,
  );
}

/** Balances and account owners of a state, as the model holds them. */
function booksOf(ledger: TestLedger) {
  const balances = new Map<string, bigint>();
  const owners = new Map<string, string>();
  for (const [key, value] of ledger.state) {
    const [kind, id, of] = key.split('/');
    if (kind === 'balance') {
      const decoded = decodeBalance(value);
      if (decoded.ok) balances.set(`${id ?? ''} ${of ?? ''}`, decoded.value.amount);
    } else if (kind === 'account') {
      const decoded = decodeAccount(value);
      if (decoded.ok) owners.set(id ?? '', decoded.value.owner);
    }
  }
  return { balances, owners };
}

describe('applyBlock on random blocks', () => {
  it('gives the results and the state of the model, conserves every asset, and pays no key twice', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 12 }), (blocks) => {
        const ledger = new TestLedger();
        const model = modelOfTestGenesis();
        let height = 0;
        const succeeded = new Set<string>();
        for (const { skip, transactions } of blocks) {
          height += 1 + skip;
          const asked = transactions.map(({ sender, signers, key, validity, steps }): ModelTransaction => ({
            sender,
            signers,
            key,
            validUntil: Math.max(0, height + validity),
            operations: steps.map(({ operation }) => operation),
            policies: new Map(
              steps.flatMap((one, index) => (one.policy === undefined ? [] : [[index, one.policy]])),
            ),
          }));
          const expected = model.block(height, asked);
          const real = asked.map((one) => transactionOf(one));
          const output = ledger.block(real, height);
          expect(output.results.map(({ code, failedOperation }) => ({ code, failedOperation }))).toEqual(
            expected,
          );
          const { balances, owners } = booksOf(ledger);
          expect(balances).toEqual(new Map([...model.books.balances].filter(([, held]) => held !== 0n)));
          expect(owners).toEqual(new Map([...model.books.accounts].map(([id, { owner }]) => [id, owner])));
          expect(checkInvariants(ledger.state).violations).toEqual([]);
          for (const [index, { code }] of expected.entries()) {
            seen.set(code, (seen.get(code) ?? 0) + 1);
            if (code !== 'OK') continue;
            const id = JSON.stringify(Array.from(real[index]!.txId));
            expect(succeeded.has(id)).toBe(false);
            succeeded.add(id);
          }
        }
      }),
      { seed: 7, numRuns: 300 },
    );
    // The generator reaches every result.
    expect([...seen.keys()].sort()).toEqual(
      [
        'OK',
        'UNKNOWN_SENDER',
        'SENDER_NOT_AUTHORIZED',
        'EXPIRED',
        'VALIDITY_TOO_LONG',
        'DUPLICATE',
        'ROLE_REQUIRED',
        'UNKNOWN_MEMBER',
        'MEMBER_EXISTS',
        'UNKNOWN_ACCOUNT',
        'ACCOUNT_EXISTS',
        'NOT_ACCOUNT_OWNER',
        'ACCOUNT_NOT_AUTHORIZED',
        'UNKNOWN_ASSET',
        'ASSET_EXISTS',
        'INSUFFICIENT_FUNDS',
        'AMOUNT_OVERFLOW',
        'SAME_ACCOUNT',
      ].sort(),
    );
  });
});
