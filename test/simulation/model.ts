/**
 * What the ledger must make of the clients' transfers, written down once more and as simply as possible: balances, and
 * which idempotency keys were used where.
 */
import { decodeTransactionEnvelope, decodeTransactionPayload } from '../../src/codec/index.js';
import type { Genesis, KeySignature, ResultCode, TransactionPayload } from '../../src/codec/model.js';
import { genesisChainId } from '../../src/ledger/index.js';
import { equalBytes, toHex } from '../../src/types/index.js';
import { accountsOf, asset, memberKeys, memberNames, openingBalance } from './genesis.js';
import { holds } from './keys.js';
import { isSetOperation, ValidatorSets } from './sets.js';
import { transactionId, transactionSigningBytes } from '../../src/crypto/index.js';
import type { ChainId } from '../../src/types/index.js';

export class LedgerModel {
  readonly balances = new Map<string, bigint>();
  readonly #owners = new Map<string, string>();
  readonly #lastUse = new Map<string, number>();
  readonly #window: number;
  readonly #chainId: ChainId;

  readonly sets: ValidatorSets;

  constructor(genesis: Genesis) {
    this.#chainId = genesisChainId(genesis);
    this.#window = genesis.parameters.validityWindowBlocks;
    this.sets = new ValidatorSets(genesis);
    for (const member of memberNames) {
      for (const account of accountsOf(member)) {
        this.balances.set(account, openingBalance);
        this.#owners.set(account, member);
      }
    }
  }

  /** The result that a transaction has in a block; a sentence when no block may hold it. */
  execute(envelopeBytes: Uint8Array, height: number): { readonly code: ResultCode } | string {
    const envelope = decodeTransactionEnvelope(envelopeBytes);
    if (!envelope.ok) return 'it is malformed';
    const payload = decodeTransactionPayload(envelope.value.payload);
    if (!payload.ok) return 'its payload is malformed';
    const { sender, idempotencyKey, validUntilHeight } = payload.value;
    const message = transactionSigningBytes(transactionId(this.#chainId, envelope.value.payload));
    if (!envelope.value.signatures.every((item) => holds({ ...item, message })))
      return 'a signature is wrong';
    const owner = memberKeys.get(sender)?.publicKey;
    if (owner === undefined) return 'nobody knows its sender';
    if (!envelope.value.signatures.some(({ publicKey }) => toHex(publicKey) === toHex(owner)))
      return 'its sender has not signed it';
    if (validUntilHeight < height) return 'it has expired';
    if (validUntilHeight - height > this.#window) return 'it is valid for too long';
    const key = `${sender}/${toHex(idempotencyKey)}`;
    const used = this.#lastUse.get(key);
    const duplicate = used !== undefined && used >= height - this.#window;
    if (duplicate && validUntilHeight - used <= this.#window) return 'its idempotency key was used';
    const done = duplicate
      ? ({ code: 'DUPLICATE' } as const)
      : this.#perform(payload.value, envelope.value.signatures, height);
    if (typeof done !== 'string') this.#lastUse.set(key, height);
    return done;
  }

  #perform(
    payload: TransactionPayload,
    signatures: readonly KeySignature[],
    height: number,
  ): { readonly code: ResultCode } | string {
    const [operation] = payload.operations;
    if (operation === undefined || !isSetOperation(operation)) return { code: this.#transfer(payload) };
    return this.sets.apply(operation, payload.sender, height, (validator) =>
      signatures.some(({ publicKey }) => equalBytes(publicKey, validator.publicKey)),
    );
  }

  #transfer({ sender, operations }: TransactionPayload): ResultCode {
    const [operation] = operations;
    if (operation?.kind !== 'transfer' || operations.length !== 1)
      throw new TypeError('clients send transfers only');
    const { fromAccount, toAccount, amount } = operation;
    const from = this.balances.get(fromAccount);
    const to = this.balances.get(toAccount);
    if (from === undefined) return 'UNKNOWN_ACCOUNT';
    if (this.#owners.get(fromAccount) !== sender) return 'NOT_ACCOUNT_OWNER';
    if (fromAccount === toAccount) return 'SAME_ACCOUNT';
    if (to === undefined) return 'UNKNOWN_ACCOUNT';
    if (operation.asset !== asset) return 'UNKNOWN_ASSET';
    if (from < amount) return 'INSUFFICIENT_FUNDS';
    this.balances.set(fromAccount, from - amount);
    this.balances.set(toAccount, to + amount);
    return 'OK';
  }
}
