import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { explainResult } from '../../client/explain-result.js';
import {
  bounds,
  decodeReceipt,
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  decodeValidatorSetChanges,
  type TransactionPayload,
} from '../../codec/index.js';
import { formatAmount, loadGenesis, readBoundedFile } from '../../config/index.js';
import { transactionId } from '../../crypto/index.js';
import { verifyZip215Natively } from '../../crypto/native/index.js';
import { toHex } from '../../types/index.js';
import { followSetChanges, trustGenesis, verifyReceipt, type ChainTrust } from '../../verify/index.js';
import { define } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError } from '../command-error.js';
import { isMissing } from '../is-missing.js';
import { printable } from '../output.js';
import { changesFileName } from '../payments/save-receipts.js';

interface VerifyOptions {
  readonly genesis: string;
  readonly receipt: string;
  readonly transaction?: string;
  readonly changes?: string;
}

/** More than a receipt or a transaction can have. */
const maxFileBytes = 1024 * 1024;

/** `quaestor verify receipt`, under a name. */
export function verifyReceiptCommand(name: string, called: string): Command {
  const command = new Command(name)
    .summary('verify a receipt')
    .description(
      'Verifies a receipt against nothing but a genesis file: that a quorum of validators committed the block, and that ' +
        'the block holds the result. Needs no network. With the transaction, also says what was paid.',
    )
    .requiredOption('-g, --genesis <file>', 'genesis of the network, from a source that is trusted')
    .requiredOption('-r, --receipt <file>', 'receipt, as "quaestor submit --save-receipts" writes it')
    .option('-t, --transaction <file>', 'the transaction that the receipt must be of')
    .option(
      '-c, --changes <file>',
      `changes of the validator set, as "quaestor validators export" writes them (default: "${changesFileName}" beside ` +
        'the receipt, if it is there)',
    );
  return define<VerifyOptions>(
    command,
    `${called} --genesis genesis.yaml --receipt AUR-20261102-0001.receipt --transaction AUR-20261102-0001.transaction`,
    async ({ output }, options) => {
      const loaded = await loadGenesis(options.genesis);
      if (!loaded.ok) throw loaded.error;
      const genesisTrust = trustGenesis(loaded.value, { checkSignature: verifyZip215Natively });
      const trust = await followFile(genesisTrust, options);
      const receipt = decodeReceipt(await readBoundedFile(options.receipt, maxFileBytes));
      if (!receipt.ok) {
        throw new CommandError(
          'RECEIPT_MALFORMED',
          `${options.receipt} is no receipt: ${receipt.error.message}`,
          exitCodes.unverified,
        );
      }
      const transaction =
        options.transaction === undefined ? undefined : await readTransaction(options.transaction);
      const expectedTxId =
        transaction === undefined ? undefined : transactionId(trust.chainId, transaction.payloadBytes);
      const verified = verifyReceipt(
        trust,
        receipt.value,
        expectedTxId === undefined ? {} : { expectedTxId },
      );
      if (!verified.ok) throw verified.error;
      const { txId, code, height, index, timeMs, signers, failedOperation, detail } = verified.value;
      const effect =
        code === 'OK'
          ? 'executed'
          : `without effect: ${code}. ${explainResult({ code, ...(detail && { detail }) })}`;
      output.line(output.colours.green('The receipt holds.'));
      output.line();
      output.line(`Network       ${loaded.value.network}`);
      output.line(`Transaction   ${toHex(txId)}`);
      output.line(`Result        ${effect}`);
      output.line(`Settled       ${new Date(timeMs).toISOString()}, block ${height}, index ${index}`);
      output.line(`Committed by  ${signers.join(', ')}`);
      const exponents = new Map(loaded.value.assets.map(({ asset, exponent }) => [asset, exponent]));
      for (const line of describe(transaction?.payload, exponents)) output.line(line);
      output.document({
        holds: true,
        network: loaded.value.network,
        chainId: toHex(trust.chainId),
        txId: toHex(txId),
        code,
        failedOperation,
        ...(detail !== undefined && { detail }),
        height,
        index,
        settledAt: new Date(timeMs).toISOString(),
        signers,
        transaction: transaction?.payload,
      });
      return exitCodes.ok;
    },
  );
}

/** The trust that knows the validator sets that a file of changes leads to. */
async function followFile(trust: ChainTrust, { receipt, changes }: VerifyOptions): Promise<ChainTrust> {
  const file = changes ?? join(dirname(receipt), changesFileName);
  const bytes = await readBoundedFile(file, bounds.maxValidatorSetChangesBytes).catch((error: unknown) => {
    if (changes === undefined && isMissing(error)) return undefined;
    throw error;
  });
  if (bytes === undefined) return trust;
  const decoded = decodeValidatorSetChanges(bytes);
  if (!decoded.ok) {
    throw new CommandError(
      'CHANGES_MALFORMED',
      `${file} has no changes of the validator set: ${decoded.error.message}`,
      exitCodes.unverified,
    );
  }
  const followed = followSetChanges(trust, decoded.value.changes);
  if (!followed.ok) throw followed.error;
  return followed.value;
}

async function readTransaction(
  file: string,
): Promise<{ readonly payload: TransactionPayload; readonly payloadBytes: Uint8Array }> {
  const envelope = decodeTransactionEnvelope(await readBoundedFile(file, maxFileBytes));
  const payload = envelope.ok ? decodeTransactionPayload(envelope.value.payload) : envelope;
  if (!envelope.ok || !payload.ok) {
    const reason = payload.ok ? '' : payload.error.message;
    throw new CommandError(
      'TRANSACTION_MALFORMED',
      `${file} is no transaction: ${reason}`,
      exitCodes.unverified,
    );
  }
  return { payload: payload.value, payloadBytes: envelope.value.payload };
}

function describe(payload: TransactionPayload | undefined, exponents: ReadonlyMap<string, number>): string[] {
  if (payload === undefined) return [];
  return [
    `Sender        ${payload.sender}`,
    ...payload.operations.map((operation) => {
      if (operation.kind !== 'transfer') return `Operation     ${operation.kind}`;
      const { amount, asset, fromAccount, toAccount, endToEndId, memo } = operation;
      const exponent = exponents.get(asset);
      // An asset that was defined later than the genesis: its decimal places are not known here.
      const text = exponent === undefined ? `${amount} minor units of` : formatAmount(amount, exponent);
      return `Operation     transfer ${text} ${asset} from ${fromAccount} to ${toAccount} ${printable(`${endToEndId} ${memo}`)}`.trimEnd();
    }),
  ];
}
