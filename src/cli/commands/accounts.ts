import { Command } from 'commander';
import { formatAmount } from '../../config/index.js';
import { decodeTransactionPayload, type Operation } from '../../codec/index.js';
import type { AccountState, KnownTransaction } from '../../client/index.js';
import { asHeight, limits, toHex } from '../../types/index.js';
import { openProfile, profileOption, type OpenProfile, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption, parse } from '../command.js';
import { CommandError } from '../command-error.js';
import { count, groupDigits, printable } from '../output.js';
import { statementCommand } from './statement.js';

/** `quaestor accounts`. */
export function accountsCommand(): Command {
  return new Command('accounts')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(historyCommand())
    .addCommand(statementCommand());
}

function profiled(command: Command): Command {
  return command
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long an answer is waited for'));
}

function listCommand(): Command {
  const command = profiled(
    new Command('list')
      .summary('list accounts')
      .description(
        'Lists accounts with their balances as one validator tells them. Not proven: "quaestor accounts show" proves.',
      ),
  ).option('--owner <member>', 'only those of a member');
  return define<ProfileOptions & { readonly owner?: string }>(
    command,
    'quaestor accounts list --owner bank-alba --profile data/devnet/operator',
    ({ output, signal }, options) =>
      withProfile(options, async ({ client }) => {
        const accounts: AccountState[] = [];
        const { owner } = options;
        for await (const account of client.listAccounts({
          signal,
          ...(owner === undefined ? {} : { owner }),
        })) {
          accounts.push(account);
          output.progress(count(accounts.length, 'account'));
        }
        output.progressDone();
        output.table(
          ['account', 'owner', '>balance', ''],
          accounts.flatMap(({ account, balances }) => {
            const id = account?.account ?? '';
            const holder = account?.owner ?? '';
            if (balances.length === 0) return [[id, holder, '', '']];
            return balances.map(({ asset, amount, exponent }, index) => [
              index === 0 ? id : '',
              index === 0 ? holder : '',
              groupDigits(formatAmount(amount, exponent)),
              asset,
            ]);
          }),
        );
        output.line();
        output.line(`${count(accounts.length, 'account')}${heightText(accounts)}, not proven`);
        output.document(accounts.map(accountDocument));
      }),
  );
}

function heightText(accounts: readonly AccountState[]): string {
  const [first] = accounts;
  return first === undefined ? '' : ` at height ${first.height}`;
}

function showCommand(): Command {
  const command = profiled(
    new Command('show')
      .summary('show one account, proven')
      .description(
        'Shows an account and its balances, each proven against the genesis by a state proof and a commit certificate.',
      ),
  )
    .argument('<account>', 'account id, for example an IBAN')
    .option('--height <height>', 'as of a height', parse.integer(0, limits.maxHeight))
    .option('--asset <asset...>', 'only these assets; also proves that one is not held');
  return define<
    ProfileOptions & { readonly height?: number; readonly asset?: readonly string[] },
    [account: string]
  >(
    command,
    'quaestor accounts show IT17M9990101600000000100001 --profile data/devnet/clients/bank-alba',
    ({ output, signal }, options, id) =>
      withProfile(options, async ({ client }) => {
        const state = await client.getAccount(id, {
          signal,
          ...(options.height === undefined ? {} : { height: asHeight(options.height) }),
          ...(options.asset === undefined ? {} : { assets: options.asset }),
        });
        if (state.account === undefined) {
          throw new CommandError(
            'ACCOUNT_NOT_FOUND',
            `There is no account ${id} at height ${state.height}${state.proven ? ' (proven)' : ''}.`,
          );
        }
        const { account, owner, openedHeight } = state.account;
        output.line(`Account  ${account}`);
        output.line(`Owner    ${owner}`);
        output.line(`Opened   at height ${openedHeight}`);
        output.line();
        output.table(
          ['asset', '>balance'],
          state.balances.map(({ asset, amount, exponent }) => [
            asset,
            groupDigits(formatAmount(amount, exponent)),
          ]),
        );
        const time =
          state.timeMs === undefined ? '' : `, ledger time ${new Date(state.timeMs).toISOString()}`;
        output.line();
        output.line(`${output.colours.green('proven')} against the genesis at height ${state.height}${time}`);
        output.document(accountDocument(state));
      }),
  );
}

function historyCommand(): Command {
  const command = profiled(
    new Command('history')
      .summary('show the transactions of an account')
      .description(
        'Shows the transactions of an account, newest first. Each is proven to be final; that none is left out is not.',
      ),
  )
    .argument('<account>', 'account id')
    .option('--limit <number>', 'how many at most', parse.integer(1, 1_000_000), 20);
  return define<ProfileOptions & { readonly limit: number }, [account: string]>(
    command,
    'quaestor accounts history IT17M9990101600000000100001 --limit 5 --profile data/devnet/clients/bank-alba',
    ({ output, signal }, options, id) =>
      withProfile(options, async ({ client, genesis }) => {
        const exponents = new Map(genesis.assets.map(({ asset, exponent }) => [asset, exponent]));
        const transactions: KnownTransaction[] = [];
        const pageSize = Math.min(options.limit, 500);
        for await (const { txId } of client.history(id, { signal, pageSize })) {
          transactions.push(await client.getTransaction(txId, { signal }));
          output.progress(count(transactions.length, 'transaction'));
          if (transactions.length >= options.limit) break;
        }
        output.progressDone();
        output.table(
          ['>height', 'time', '>amount', '', 'other account', 'end-to-end id', ''],
          transactions.flatMap((transaction) => movements(transaction, id, exponents, output.colours.green)),
        );
        output.document(transactions.map(transactionDocument));
      }),
  );
}

function movements(
  transaction: KnownTransaction,
  account: string,
  exponents: ReadonlyMap<string, number>,
  green: (text: string) => string,
): string[][] {
  const { height, timeMs } = transaction;
  const time = new Date(timeMs).toISOString().replace('T', ' ').slice(0, 19);
  return operationsOf(transaction).flatMap((operation) => {
    if (operation.kind !== 'transfer')
      return [[String(height), time, '', '', operation.kind, '', green('verified')]];
    const { fromAccount, toAccount, asset, amount, endToEndId } = operation;
    if (fromAccount !== account && toAccount !== account) return [];
    const sign = fromAccount === account ? '-' : '+';
    const text = groupDigits(formatAmount(amount, exponents.get(asset) ?? 0));
    const other = fromAccount === account ? toAccount : fromAccount;
    return [[String(height), time, sign + text, asset, other, printable(endToEndId), green('verified')]];
  });
}

function operationsOf({ envelope }: KnownTransaction): readonly Operation[] {
  const payload = decodeTransactionPayload(envelope.payload);
  if (!payload.ok) throw payload.error;
  return payload.value.operations;
}

function transactionDocument(transaction: KnownTransaction): Record<string, unknown> {
  const { txId, height, index, timeMs, code } = transaction;
  return {
    txId: toHex(txId),
    height,
    index,
    settledAt: new Date(timeMs).toISOString(),
    code,
    verified: true,
    operations: operationsOf(transaction),
  };
}

function accountDocument({
  account,
  balances,
  height,
  timeMs,
  proven,
}: AccountState): Record<string, unknown> {
  return {
    account: account?.account,
    owner: account?.owner,
    openedHeight: account?.openedHeight,
    height,
    ledgerTime: timeMs === undefined ? undefined : new Date(timeMs).toISOString(),
    proven,
    balances: balances.map(({ asset, amount, exponent }) => ({
      asset,
      amount: formatAmount(amount, exponent),
      amountMinor: amount,
    })),
  };
}

async function withProfile(
  options: ProfileOptions,
  work: (profile: OpenProfile) => Promise<void>,
): Promise<undefined> {
  const profile = await openProfile(options);
  try {
    await work(profile);
  } finally {
    profile.client.close();
  }
  return undefined;
}
