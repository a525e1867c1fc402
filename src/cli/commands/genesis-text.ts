import type { Genesis } from '../../codec/index.js';
import { formatAmount } from '../../config/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { toHex, type ChainId } from '../../types/index.js';
import { count, groupDigits, type Output } from '../output.js';

/** Shows what a genesis says. */
export function showGenesis(output: Output, genesis: Genesis): void {
  const { network, timeMs, validators, members, assets, accounts, balances, rulesVersion = 1 } = genesis;
  output.line(`Network     ${network}`);
  output.line(`Begins at   ${new Date(timeMs).toISOString()}`);
  output.line(`Rules       version ${rulesVersion}`);
  output.line();
  output.table(
    ['validator', 'member', 'public key'],
    validators.map(({ id, member, publicKey }) => [id, member, toHex(publicKey)]),
  );
  output.line();
  output.table(
    ['member', 'name', 'roles', 'signs with'],
    members.map(({ member, name, roles, policy }) => [
      member,
      name,
      roles.join(', '),
      `${policy.threshold} of ${policy.keys.map(({ publicKey }) => `${toHex(publicKey).slice(0, 16)}…`).join(', ')}`,
    ]),
  );
  if (assets.length > 0) output.line();
  output.table(
    ['asset', 'issuer', '>issued at the start'],
    assets.map(({ asset, issuer, exponent }) => {
      const issued = balances.reduce(
        (sum, balance) => (balance.asset === asset ? sum + balance.amount : sum),
        0n,
      );
      return [asset, issuer, groupDigits(formatAmount(issued, exponent))];
    }),
  );
  output.line();
  output.line(`${count(accounts.length, 'account')}. Every line of the file is part of it: read it.`);
  output.line();
  output.line(`Chain id    ${groupedChainId(genesisChainId(genesis))}`);
}

/** A chain id to read out: groups of four digits. */
export const groupedChainId = (chainId: ChainId): string => (toHex(chainId).match(/.{4}/g) ?? []).join(' ');
