import { Command, InvalidArgumentError } from 'commander';
import type { Block, QuaestorClient } from '../../client/index.js';
import { decodeTransactionPayload, type Genesis, type Operation } from '../../codec/index.js';
import { formatAmount } from '../../config/index.js';
import { asHeight, limits, toHex } from '../../types/index.js';
import { openProfile, profileOption, type ProfileOptions } from '../client/open-profile.js';
import { define, durationOption, parse } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { count, groupDigits, printable } from '../output.js';

/** `quaestor blocks`. */
export function blocksCommand(): Command {
  return new Command('blocks')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(followCommand());
}

function profiled(command: Command): Command {
  return command
    .addOption(profileOption())
    .addOption(durationOption('--timeout', 'how long an answer is waited for'));
}

function listCommand(): Command {
  const command = profiled(
    new Command('list')
      .summary('list the latest blocks')
      .description('Lists the latest final blocks, newest first, each proven by its commit certificate.'),
  ).option('--limit <number>', 'how many', parse.integer(1, 10_000), 10);
  return define<ProfileOptions & { readonly limit: number }>(
    command,
    'quaestor blocks list --limit 5 --profile data/devnet/operator',
    ({ output, signal }, options) =>
      withClient(options, async (client, genesis) => {
        const latest = await client.getBlock(undefined, { signal });
        const blocks = [latest];
        for (let height = latest.header.height - 1; height >= 0 && blocks.length < options.limit; height--) {
          blocks.push(await client.getBlock(asHeight(height), { signal }));
        }
        output.table(
          columns,
          blocks.map((block) => rowOf(block, genesis)),
        );
        output.document(blocks.map((block) => blockDocument(block, genesis)));
      }),
  );
}

const columns = ['>height', 'time', '>transactions', '>view', 'proposer', 'digest', 'state root'];

function rowOf({ header, digest }: Block, genesis: Genesis): string[] {
  return [
    String(header.height),
    timeOf(header.timeMs),
    String(header.transactionCount),
    String(header.view),
    header.height === 0 ? '' : proposerOf(header.proposer, genesis),
    toHex(digest).slice(0, 16),
    toHex(header.stateRoot).slice(0, 16),
  ];
}

/** Name of the validator that first proposed a block. */
function proposerOf(index: number, { validators }: Genesis): string {
  return validators[index]?.id ?? String(index);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
}

/** A height, or "latest". */
function heightOrLatest(text: string): number | undefined {
  if (text === 'latest') return undefined;
  const height = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(height <= limits.maxHeight)) throw new InvalidArgumentError('Expected a height or "latest".');
  return height;
}

function showCommand(): Command {
  const command = profiled(
    new Command('show')
      .summary('show one block with its transactions')
      .description('Shows a final block with its transactions and results, checked against its certificate.'),
  ).argument('[height]', 'height, or "latest"', heightOrLatest);
  return define<ProfileOptions, [height: number | undefined]>(
    command,
    'quaestor blocks show 17 --profile data/devnet/operator',
    ({ output, signal }, options, height) =>
      withClient(options, async (client, genesis) => {
        const exponents = new Map(genesis.assets.map(({ asset, exponent }) => [asset, exponent]));
        const wanted = height === undefined ? undefined : asHeight(height);
        const block = await client.getBlock(wanted, { transactions: true, signal });
        const { header, digest, signers } = block;
        output.line(`Block          ${header.height}`);
        output.line(`Digest         ${toHex(digest)}`);
        output.line(`Previous       ${toHex(header.prevHash)}`);
        output.line(`Time           ${timeOf(header.timeMs)}`);
        output.line(`State root     ${toHex(header.stateRoot)}`);
        output.line(`First proposed in view ${header.view} by ${proposerOf(header.proposer, genesis)}`);
        if (signers.length > 0) output.line(`Committed by   ${signers.join(', ')}`);
        output.line();
        output.table(
          ['>', 'result', 'sender', 'operation'],
          (block.transactions ?? []).map(({ payload }, index) => {
            const decoded = decodeTransactionPayload(payload);
            const text = decoded.ok
              ? decoded.value.operations.map((operation) => operationText(operation, exponents)).join('; ')
              : 'not readable';
            return [
              String(index),
              block.results?.[index]?.code ?? '',
              decoded.ok ? decoded.value.sender : '',
              text,
            ];
          }),
        );
        output.document(blockDocument(block, genesis));
      }),
  );
}

function operationText(operation: Operation, exponents: ReadonlyMap<string, number>): string {
  if (operation.kind !== 'transfer') return operation.kind;
  const { fromAccount, toAccount, asset, amount, endToEndId } = operation;
  const text = groupDigits(formatAmount(amount, exponents.get(asset) ?? 0));
  return `${text} ${asset} ${fromAccount} → ${toAccount} ${printable(endToEndId)}`.trimEnd();
}

function followCommand(): Command {
  const command = profiled(
    new Command('follow')
      .summary('show blocks as they become final')
      .description(
        'Shows blocks as they become final, without gap or repeat, whichever validators come and go. Until Ctrl-C. With ' +
          '--json one object a line.',
      ),
  )
    .option('--from <height>', 'first height (default: the next block)', parse.integer(1, limits.maxHeight))
    .option('--count <number>', 'ends after so many blocks', parse.integer(1, 1_000_000_000));
  return define<ProfileOptions & { readonly from?: number; readonly count?: number }>(
    command,
    'quaestor blocks follow --from 1 --profile data/devnet/operator',
    async ({ output, signal }, options) => {
      let seen = 0;
      try {
        await withClient(options, async (client, genesis) => {
          const from = options.from === undefined ? {} : { fromHeight: asHeight(options.from) };
          for await (const block of client.blocks({ ...from, signal })) {
            const { header, digest } = block;
            output.line(
              `${timeOf(header.timeMs)}  height ${header.height}  ${count(header.transactionCount, 'transaction')}  view ${header.view}  ${toHex(digest).slice(0, 16)}`,
            );
            output.record(blockDocument(block, genesis));
            if (++seen === options.count) return;
          }
        });
      } catch (error) {
        // Ctrl-C is how this ends.
        if (!signal.aborted) throw error;
      }
      return exitCodes.ok;
    },
  );
}

function blockDocument(block: Block, genesis: Genesis): Record<string, unknown> {
  const { header, digest, signers, transactions, results } = block;
  return {
    height: header.height,
    digest: toHex(digest),
    time: new Date(header.timeMs).toISOString(),
    view: header.view,
    proposer: proposerOf(header.proposer, genesis),
    previous: toHex(header.prevHash),
    stateRoot: toHex(header.stateRoot),
    transactionsRoot: toHex(header.transactionsRoot),
    resultsRoot: toHex(header.resultsRoot),
    transactionCount: header.transactionCount,
    signers,
    ...(transactions === undefined
      ? {}
      : {
          transactions: transactions.map(({ payload }, index) => {
            const decoded = decodeTransactionPayload(payload);
            return { ...results?.[index], ...(decoded.ok ? decoded.value : {}) };
          }),
        }),
  };
}

async function withClient(
  options: ProfileOptions,
  work: (client: QuaestorClient, genesis: Genesis) => Promise<void>,
): Promise<undefined> {
  const { client, genesis } = await openProfile(options);
  try {
    await work(client, genesis);
  } finally {
    client.close();
  }
  return undefined;
}
