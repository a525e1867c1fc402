import type { OpeningBalance } from '../codec/model.js';
import { limits, toHex } from '../types/index.js';
import { parseAmount } from './amount.js';
import type { AmountProblem } from './amount.js';
import type { GenesisFile, WorldFile } from './ledger-schema.js';
import { didYouMean } from './suggest.js';

/** Takes a problem at the field of a path. */
export type Report = (field: readonly PropertyKey[], message: string) => void;

const amountTexts: Readonly<Record<AmountProblem, (exponent: number) => string>> = {
  notDecimal: () => 'expected a decimal number without sign, such as "1000.00"',
  tooManyDecimals: (exponent) =>
    exponent === 0
      ? 'expected a whole number, because the asset has no decimal places'
      : `expected at most ${exponent} decimal places, those of the asset`,
  tooLarge: () => 'expected at most 2^128 - 1 minor units',
};

/**
 * Checks what the parts of a genesis or a world say about each other: ids and keys that differ, members, assets and
 * thresholds that exist, amounts that their asset can hold.
 *
 * @returns the opening balances above zero, in the order of the file; complete when nothing was reported.
 */
export function checkLedger(file: GenesisFile | WorldFile, report: Report): OpeningBalance[] {
  const members = new Set(file.members.map((member) => member.id));
  const assets = new Map(file.assets.map((asset) => [asset.id, asset]));
  const memberExists = (id: string, path: readonly PropertyKey[]) => {
    if (members.has(id)) return;
    report(path, `Found "${id}", which is no member of this file.${didYouMean(id, [...members])}`);
  };

  differ(file.members, 'members', 'id', (member) => member.id, report);
  differ(file.validators, 'validators', 'id', (validator) => validator.id, report);
  differ(file.assets, 'assets', 'id', (asset) => asset.id, report);
  differ(file.accounts, 'accounts', 'id', (account) => account.id, report);
  for (const [index, member] of file.members.entries()) {
    differ(
      member.roles,
      'roles',
      undefined,
      (role) => role,
      (path, message) => report(['members', index, ...path], message),
    );
  }
  for (const [index, validator] of file.validators.entries()) {
    memberExists(validator.member, ['validators', index, 'member']);
  }
  for (const [index, asset] of file.assets.entries()) memberExists(asset.issuer, ['assets', index, 'issuer']);

  const balances: OpeningBalance[] = [];
  const issued = new Map<string, bigint>();
  for (const [index, account] of file.accounts.entries()) {
    memberExists(account.owner, ['accounts', index, 'owner']);
    for (const [id, text] of Object.entries(account.balances)) {
      const path = ['accounts', index, 'balances', id];
      const asset = assets.get(id);
      if (asset === undefined) {
        report(path, `Found "${id}", which is no asset of this file.${didYouMean(id, [...assets.keys()])}`);
        continue;
      }
      const amount = parseAmount(text, asset.exponent);
      if (!amount.ok) {
        report(path, `Found ${JSON.stringify(text)}; ${amountTexts[amount.error](asset.exponent)}.`);
        continue;
      }
      const total = (issued.get(id) ?? 0n) + amount.value;
      if (total > limits.maxAmount) {
        report(path, `The balances of ${id} up to this one exceed 2^128 - 1 minor units; expected less.`);
      }
      issued.set(id, total);
      if (amount.value > 0n) balances.push({ account: account.id, asset: id, amount: amount.value });
    }
  }
  return balances;
}

/** Checks the keys of a genesis: policies that can be met, no key twice where it must differ. */
export function checkKeys(file: GenesisFile, report: Report): void {
  differ(file.validators, 'validators', 'publicKey', (validator) => toHex(validator.publicKey), report);
  const policies = [
    ...file.members.map((member, index) => ({ path: ['members', index, 'policy'], policy: member.policy })),
    ...file.accounts.map((account, index) => ({
      path: ['accounts', index, 'policy'],
      policy: account.policy,
    })),
  ];
  for (const { path, policy } of policies) {
    if (policy === undefined) continue;
    const weights = policy.keys.reduce((sum, key) => sum + key.weight, 0);
    if (policy.threshold > weights) {
      report(
        [...path, 'threshold'],
        `Found ${policy.threshold}, which all keys together cannot reach; expected at most ${weights}, the sum of their weights.`,
      );
    }
    differ(
      policy.keys,
      'keys',
      'publicKey',
      (key) => toHex(key.publicKey),
      (field, message) => report([...path, ...field], message),
    );
  }
}

function differ<Item>(
  items: readonly Item[],
  list: string,
  field: string | undefined,
  valueOf: (item: Item) => string,
  report: Report,
): void {
  const first = new Map<string, number>();
  for (const [index, item] of items.entries()) {
    const value = valueOf(item);
    const before = first.get(value);
    if (before === undefined) {
      first.set(value, index);
    } else {
      const path = field === undefined ? [list, index] : [list, index, field];
      report(path, `Found "${value}" a second time, after ${list}[${before}]; expected each once.`);
    }
  }
}
