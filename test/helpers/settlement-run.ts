/** Random transfers, holds and exchanges on the real rules and on the model, from a seed. */
import { decodeBalance, decodeHold, type ExchangeLeg, type Operation } from '../../src/codec/index.js';
import { sha256 } from '../../src/crypto/index.js';
import { applyBlock, checkInvariants, type CheckedTransaction } from '../../src/ledger/index.js';
import { asAmount, asHeight, toHex } from '../../src/types/index.js';
import { declaredView, testGenesis, TestLedger, transactionOf } from './ledger.js';
import { Prng } from './prng.js';
import { SettlementModel } from './settlement-model.js';

const accounts = ['alpha-1', 'alpha-2', 'beta-1', 'central-1'];
const members = ['alpha', 'beta', 'central'];
const assets = ['CHF', 'EUR'];
const secrets = ['', 'first', 'second'];
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const startMs = 1_800_000_000_000;

const genesis = testGenesis({
  rulesVersion: 2,
  balances: ['alpha-1', 'alpha-2', 'beta-1'].flatMap((account) =>
    assets.map((asset) => ({ account, asset, amount: asAmount(1000n) })),
  ),
});

interface Asked {
  readonly sender: string;
  readonly signers: readonly string[];
  readonly operations: readonly Operation[];
}

type ModelHold = SettlementModel['money']['holds'] extends Map<string, infer Hold> ? Hold : never;

/** A hold of the model, as an operation names it. */
function openHold([key, { to, asset, secret }]: readonly [string, ModelHold]) {
  const [fromAccount = '', holdId = ''] = key.split(' ');
  return { holdId, fromAccount, toAccount: to, asset, preimage: utf8(secret) };
}

class Generator {
  readonly #random: Prng;
  /** Knows what is held: most captures are of a hold that there is. */
  readonly #model: SettlementModel;

  constructor(random: Prng, model: SettlementModel) {
    this.#random = random;
    this.#model = model;
  }

  transaction(timeMs: number): Asked {
    const random = this.#random;
    const operations = Array.from({ length: 1 + random.below(2) }, () => this.#operation(timeMs));
    const [first] = operations;
    const owner = first !== undefined && 'fromAccount' in first ? first.fromAccount.split('-')[0] : undefined;
    const captor =
      first?.kind === 'captureHold' || first?.kind === 'releaseHold'
        ? this.#model.money.holds.get(`${first.fromAccount} ${first.holdId}`)?.captor
        : undefined;
    if (captor !== undefined && random.chance(0.7)) return { sender: captor, signers: [captor], operations };
    const sender =
      owner !== undefined && members.includes(owner) && random.chance(0.5) ? owner : random.pick(members);
    const others = random.chance(0.8) ? members : [random.pick(members)];
    return { sender, signers: [...new Set([sender, ...others])], operations };
  }

  #account(): string {
    return this.#random.chance(0.03) ? 'nobody' : this.#random.pick(accounts);
  }

  #leg(): ExchangeLeg {
    const fromAccount = this.#account();
    const others = accounts.filter((account) => account !== fromAccount);
    return {
      fromAccount,
      toAccount: this.#random.chance(0.03) ? this.#account() : this.#random.pick(others),
      asset: this.#random.chance(0.02) ? 'XAU' : this.#random.pick(assets),
      amount: asAmount(BigInt(1 + this.#random.below(400))),
    };
  }

  #operation(timeMs: number): Operation {
    const random = this.#random;
    const { fromAccount, toAccount, asset, amount } = this.#leg();
    const holdId = random.pick(['H1', 'H2']);
    const captor = random.chance(0.03) ? 'nobody' : random.pick(members);
    const secret = utf8(random.chance(0.7) ? '' : random.pick(secrets));
    const text = { endToEndId: '', memo: '' };
    switch (random.below(8)) {
      case 0:
        return { kind: 'transfer', fromAccount, toAccount, asset, amount, ...text };
      case 1:
      case 2: {
        const hashLock = secret.length === 0 ? secret : sha256(secret);
        const expiresUnixMs = timeMs + random.below(12) - 1;
        const units = { fromAccount, toAccount, asset, amount };
        return { kind: 'placeHold', holdId, ...units, captor, expiresUnixMs, hashLock, ...text };
      }
      case 3:
      case 4:
      case 5:
      case 6: {
        const open = [...this.#model.money.holds];
        const given = { holdId, fromAccount, toAccount, asset, preimage: secret };
        const hold = open.length > 0 && random.chance(0.9) ? openHold(random.pick(open)) : given;
        if (random.chance(0.3)) {
          const { preimage: _, toAccount: __, ...held } = hold;
          return { kind: 'releaseHold', ...held, amount };
        }
        const preimage = random.chance(0.9) ? hold.preimage : secret;
        return { kind: 'captureHold', ...hold, amount, preimage };
      }
      default: {
        const legs = Array.from({ length: 2 + random.below(3) }, () => this.#leg());
        const parties = random.chance(0.9) ? members : members.slice(0, 2);
        return {
          kind: 'exchange',
          parties,
          legs,
          deadlineUnixMs: timeMs + random.below(4) - 1,
          reference: '',
        };
      }
    }
  }
}

/** Everything that the state says of money, as the model holds it. */
function moneyIn(ledger: TestLedger): { balances: Map<string, bigint>; holds: Map<string, bigint> } {
  const balances = new Map<string, bigint>();
  const holds = new Map<string, bigint>();
  for (const [key, value] of ledger.state) {
    const [kind, account = '', rest = ''] = key.split('/');
    if (kind === 'balance') {
      const decoded = decodeBalance(value);
      if (!decoded.ok) throw decoded.error;
      balances.set(`${account} ${rest}`, decoded.value.amount);
    } else if (kind === 'hold') {
      const decoded = decodeHold(value);
      if (!decoded.ok) throw decoded.error;
      holds.set(`${account} ${rest}`, decoded.value.remaining);
    }
  }
  return { balances, holds };
}

/** A difference between the rules and the model. */
export class Mismatch extends Error {}

/**
 * Runs so many blocks of a seed on both. Throws a Mismatch at the first difference of a result, of a balance, of a hold,
 * or when an invariant does not hold. Counts the result codes.
 */
export function runSettlement(seed: number, blocks: number, seen: Map<string, number>): void {
  const ledger = new TestLedger(genesis);
  const owners = new Map(accounts.map((account) => [account, account.split('-')[0] ?? '']));
  const hashes = new Map(secrets.slice(1).map((secret) => [toHex(sha256(utf8(secret))), secret]));
  const model = new SettlementModel(owners, new Set(assets), hashes);
  const generator = new Generator(new Prng(seed), model);
  for (const { account, asset, amount } of genesis.balances) {
    model.money.balances.set(`${account} ${asset}`, amount);
  }
  const compare = (what: string, real: unknown, expected: unknown): void => {
    if (JSON.stringify(real) === JSON.stringify(expected)) return;
    throw new Mismatch(
      `seed ${seed}, block ${ledger.height + 1}: ${what} is ${JSON.stringify(real)}, and ${JSON.stringify(expected)} by the model`,
    );
  };
  const sorted = (amounts: ReadonlyMap<string, bigint>): readonly string[] =>
    [...amounts]
      .filter(([, amount]) => amount !== 0n)
      .map(([key, amount]) => `${key} ${amount}`)
      .sort();
  for (let height = 1; height <= blocks; height++) {
    const timeMs = startMs + height;
    const asked = Array.from({ length: 6 }, () => generator.transaction(timeMs));
    const real: CheckedTransaction[] = asked.map(({ sender, signers, operations }) =>
      transactionOf({ sender, signers, operations, validUntil: height + 5 }),
    );
    const input = { height: asHeight(height), timeMs, window: ledger.window };
    const all = applyBlock({ ...input, transactions: real, state: declaredView(ledger.state, real) });
    const expected = asked.map(({ sender, signers, operations }) =>
      model.run(sender, signers, timeMs, operations),
    );
    compare(
      'results',
      all.results.map(({ code }) => code),
      expected,
    );
    for (const code of expected) seen.set(code, (seen.get(code) ?? 0) + 1);
    ledger.block(
      real.filter((_, index) => !all.inadmissible.includes(index)),
      height,
    );
    const money = moneyIn(ledger);
    compare('money', sorted(money.balances), sorted(model.money.balances));
    const left = new Map([...model.money.holds].map(([key, hold]) => [key, hold.left]));
    compare('what is held', sorted(money.holds), sorted(left));
    const [violation] = checkInvariants(ledger.state).violations;
    if (violation !== undefined) throw new Mismatch(`seed ${seed}, block ${height}: ${violation.message}`);
  }
}
