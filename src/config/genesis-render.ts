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
