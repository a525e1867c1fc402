/** The small world in which simulations take place. */
import type { Genesis } from '../../src/codec/index.js';
import { asAmount, asHeight } from '../../src/types/index.js';
import { simKey, type SimKey } from './keys.js';
import { epochMs } from './clock.js';
import type { SimulationOptions } from './options.js';
import { idOf } from './sets.js';

export const memberNames = ['alpha', 'beta', 'gamma'] as const;
export const memberKeys: ReadonlyMap<string, SimKey> = new Map(
  memberNames.map((name) => [name, simKey(`member ${name}`)]),
);
export const asset = 'CHF';
export const openingBalance = 1000n;

/** Two accounts a member. */
export const accountsOf = (member: string): readonly [string, string] => [`${member}-1`, `${member}-2`];

/** The two keys of a machine that validates: the first one, and the one that it is rotated to and back. */
export const validatorKeys = (machine: number): readonly [SimKey, SimKey] => [
  simKey(`validator ${machine}`),
  simKey(`next key of validator ${machine}`),
];

/** The member that runs a machine. */
export const memberOf = (machine: number): string => memberNames[machine % memberNames.length]!;

export function simGenesis(options: SimulationOptions): Genesis {
  const accounts = memberNames.flatMap((member) =>
    accountsOf(member).map((account) => ({ account, owner: member, openedHeight: asHeight(0) })),
  );
  return {
    network: 'simulation',
    timeMs: epochMs - 10_000,
    validators: Array.from({ length: options.validators }, (_, index) => ({
      id: idOf(index),
      member: memberOf(index),
      publicKey: validatorKeys(index)[0].publicKey,
    })),
    members: memberNames.map((member) => ({
      member,
      name: member,
      policy: { threshold: 1, keys: [{ publicKey: memberKeys.get(member)!.publicKey, weight: 1 }] },
      roles: [],
    })),
    assets: [{ asset, exponent: 2, issuer: 'alpha', name: 'Swiss franc' }],
    accounts,
    balances: accounts.map(({ account }) => ({ account, asset, amount: asAmount(openingBalance) })),
    parameters: { ...options.parameters, maxBlockBytes: 100_000 },
  };
}
