import type { Genesis, KeyPolicy } from '../codec/model.js';
import { toHex } from '../types/index.js';
import { formatAmount } from './amount.js';

/**
 * The human form of a genesis: YAML that loadGenesis reads back to an equal value. One line for each key, asset and
 * account, so that two genesis files can be compared line by line.
 */
export function renderGenesis(genesis: Genesis): string {
  const exponents = new Map(genesis.assets.map((asset) => [asset.asset, asset.exponent]));
  const balances = new Map<string, string[]>();
  for (const { account, asset, amount } of genesis.balances) {
    const entry = `${quote(asset)}: ${quote(formatAmount(amount, exponents.get(asset) ?? 0))}`;
    const entries = balances.get(account);
    if (entries === undefined) balances.set(account, [entry]);
    else entries.push(entry);
  }
  const accountLine = ({ account, owner, policy }: Genesis['accounts'][number]) => {
    const parts = [`id: ${quote(account)}`, `owner: ${quote(owner)}`];
    const held = balances.get(account);
    if (held !== undefined) parts.push(`balances: { ${held.join(', ')} }`);
    if (policy !== undefined) parts.push(`policy: ${flowPolicy(policy)}`);
    return `  - { ${parts.join(', ')} }`;
  };
  return [
    '# Genesis of a Quaestor network. Every validator and every verifier needs the same one: a change of any value',
    '# makes it another chain. Amounts are in major units of their asset.',
    `network: ${quote(genesis.network)}`,
    `time: ${quote(new Date(genesis.timeMs).toISOString())}`,
    'parameters:',
    ...Object.entries(genesis.parameters).map(([name, value]) => `  ${name}: ${String(value)}`),
    ...(genesis.rulesVersion === undefined ? [] : [`rulesVersion: ${genesis.rulesVersion}`]),
    'members:',
    ...genesis.members.flatMap((member) => [
      `  - id: ${quote(member.member)}`,
      `    name: ${quote(member.name)}`,
      `    roles: [${member.roles.map(quote).join(', ')}]`,
      `    policy: ${flowPolicy(member.policy)}`,
    ]),
    '# In the order of their index.',
    'validators:',
    ...genesis.validators.map(
      ({ id, member, publicKey }) =>
        `  - { id: ${quote(id)}, member: ${quote(member)}, publicKey: ${quote(toHex(publicKey))} }`,
    ),
    ...list(
      'assets',
      genesis.assets.map(
        ({ asset, exponent, issuer, name }) =>
          `  - { id: ${quote(asset)}, exponent: ${exponent}, issuer: ${quote(issuer)}, name: ${quote(name)} }`,
      ),
    ),
    ...list('accounts', genesis.accounts.map(accountLine)),
    '',
  ].join('\n');
}

/**
 * The same fields as JSON, for a file called *.json: a genesis of 100,000 accounts is read in a third of a second and a
 * few dozen megabytes, where YAML takes fifteen times as much of both.
 */
export function renderGenesisJson(genesis: Genesis): string {
  const exponents = new Map(genesis.assets.map((asset) => [asset.asset, asset.exponent]));
  const balances = new Map<string, Record<string, string>>();
  for (const { account, asset, amount } of genesis.balances) {
    const held = balances.get(account) ?? {};
    held[asset] = formatAmount(amount, exponents.get(asset) ?? 0);
    balances.set(account, held);
  }
  const fields = {
    network: genesis.network,
    time: new Date(genesis.timeMs).toISOString(),
    parameters: genesis.parameters,
    ...(genesis.rulesVersion !== undefined && { rulesVersion: genesis.rulesVersion }),
  };
  const lists = {
    members: genesis.members.map(({ member, name, roles, policy }) => ({
      id: member,
      name,
      roles,
      policy: plainPolicy(policy),
    })),
    validators: genesis.validators.map(({ id, member, publicKey }) => ({
      id,
      member,
      publicKey: toHex(publicKey),
    })),
    assets: genesis.assets.map(({ asset, exponent, issuer, name }) => ({
      id: asset,
      exponent,
      issuer,
      name,
    })),
    accounts: genesis.accounts.map(({ account, owner, policy }) => ({
      id: account,
      owner,
      balances: balances.get(account),
      policy: policy === undefined ? undefined : plainPolicy(policy),
    })),
  };
  const parts = [
    ...Object.entries(fields).map(([name, value]) => `${quote(name)}: ${JSON.stringify(value)}`),
    ...Object.entries(lists).map(([name, items]) => {
      const lines = items.map((item) => `  ${JSON.stringify(item)}`);
      return `${quote(name)}: [\n${lines.join(',\n')}\n]`;
    }),
  ];
  return `{\n${parts.join(',\n')}\n}\n`;
}

function plainPolicy(policy: KeyPolicy) {
  return {
    threshold: policy.threshold,
    keys: policy.keys.map(({ publicKey, weight }) => ({ publicKey: toHex(publicKey), weight })),
  };
}

function list(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [`${name}: []`] : [`${name}:`, ...lines];
}

function flowPolicy(policy: KeyPolicy): string {
  const keys = policy.keys.map(
    ({ publicKey, weight }) => `{ publicKey: ${quote(toHex(publicKey))}, weight: ${weight} }`,
  );
  return `{ threshold: ${policy.threshold}, keys: [${keys.join(', ')}] }`;
}

/** A double-quoted YAML scalar: JSON's strings are a subset. */
function quote(text: string): string {
  return JSON.stringify(text);
}
