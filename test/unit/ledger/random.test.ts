import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeAccount, decodeBalance, type Operation } from '../../../src/codec/index.js';
import { applyBlock, checkInvariants, type CheckedTransaction } from '../../../src/ledger/index.js';
import { asAmount, asHeight, limits } from '../../../src/types/index.js';
import { LedgerModel, type ModelPolicy, type ModelTransaction } from '../../helpers/ledger-model.js';
import { declaredView, policyOf, TestLedger, testParameters, transactionOf } from '../../helpers/ledger.js';

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

type TransactionDraft = typeof transaction extends fc.Arbitrary<infer T> ? T : never;

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

/** `replays` picks transactions of earlier blocks, to be in this one again. */
const block = fc.record({
  skip: fc.constantFrom(0, 0, 0, 1, 4, 9, 10, 11),
  transactions: fc.array(transaction, { maxLength: 8 }),
  replays: fc.array(fc.nat(1000), { maxLength: 4 }),
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

interface Asked {
  readonly model: ModelTransaction;
  readonly real: CheckedTransaction;
}

function ask(height: number, { sender, signers, key, validity, steps }: TransactionDraft): Asked {
  const model: ModelTransaction = {
    sender,
    signers,
    key,
    validUntil: Math.max(0, height + validity),
    operations: steps.map(({ operation }) => operation),
    policies: new Map(steps.flatMap((one, index) => (one.policy === undefined ? [] : [[index, one.policy]]))),
  };
  return { model, real: transactionOf(model) };
}

describe('applyBlock on random blocks', () => {
  it('does as the model does, conserves every asset, and never has a transaction on the chain twice', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 12 }), (blocks) => {
        const ledger = new TestLedger();
        const model = modelOfTestGenesis();
        let height = 0;
        const history: Asked[] = [];
        const onChain = new Set<CheckedTransaction>();
        for (const { skip, transactions, replays } of blocks) {
          height += 1 + skip;
          const again = replays.flatMap((pick) => history[pick % Math.max(1, history.length)] ?? []);
          const fresh = transactions.map((draft) => ask(height, draft));
          const asked = [...again, ...fresh];
          history.push(...fresh);
          const real = asked.map((one) => one.real);
          const expected = model.block(
            height,
            asked.map((one) => one.model),
          );
          const before = new Map(ledger.state);
          const input = { height: asHeight(height), timeMs: 1, window: ledger.window };
          const all = applyBlock({ ...input, transactions: real, state: declaredView(before, real) });
          const results = all.results.map(({ code, failedOperation }, index) => {
            return { code, failedOperation, admissible: !all.inadmissible.includes(index) };
          });
          expect(results).toEqual(expected);
          // A builder may leave out what no block may hold: the others fare as before.
          const admissible = real.filter((_, index) => !all.inadmissible.includes(index));
          const output = ledger.block(admissible, height);
          expect(output.inadmissible).toEqual([]);
          expect([...output.writes]).toEqual([...all.writes]);
          for (const one of admissible) {
            expect(onChain.has(one)).toBe(false);
            onChain.add(one);
          }
          const { balances, owners } = booksOf(ledger);
          expect(balances).toEqual(new Map([...model.books.balances].filter(([, held]) => held !== 0n)));
          expect(owners).toEqual(new Map([...model.books.accounts].map(([id, { owner }]) => [id, owner])));
          expect(checkInvariants(ledger.state).violations).toEqual([]);
          for (const { code, admissible: recorded } of expected) {
            const name = code === 'DUPLICATE' && recorded ? 'DUPLICATE in a block' : code;
            seen.set(name, (seen.get(name) ?? 0) + 1);
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
        'DUPLICATE in a block',
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
