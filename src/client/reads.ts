/** Reads: asked of one validator, checked against the genesis where there is a proof, asked of another if it fails. */
import {
  decodeAccount,
  decodeBalance,
  encodeTransactionEnvelope,
  encodeTransactionResult,
  type Account,
  type CommitCertificate,
  type TransactionEnvelope,
  type TransactionResult,
} from '../codec/index.js';
import {
  accountFromWire,
  certificateFromWire,
  envelopeFromWire,
  receiptFromWire,
  resultFromWire,
  stateProofFromWire,
} from '../codec/wire-convert.js';
import type { AssetBalance__Output } from '../codec/wire/quaestor/ledger/v1/AssetBalance.js';
import type { GetAccountResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetAccountResponse.js';
import type { GetBlockResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetBlockResponse.js';
import type { GetStatusResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetStatusResponse.js';
import type { GetTransactionResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetTransactionResponse.js';
import type { ListAccountsResponse__Output } from '../codec/wire/quaestor/ledger/v1/ListAccountsResponse.js';
import { transactionId } from '../crypto/index.js';
import { stateKeys } from '../ledger/index.js';
import { asHeight, asTxId, equalBytes, limits, type Height, type Result, type TxId } from '../types/index.js';
import { verifyContent, type CertifiedHeader } from '../verify/index.js';
import { VerificationError } from './errors.js';
import type { FinalTransaction } from './transactions.js';
import { valid, type Verifier } from './verifier.js';

/** What an account holds of one asset. */
export interface AssetHolding {
  readonly asset: string;
  /** Minor units. */
  readonly amount: bigint;
  /** Number of decimal places of one unit: the genesis' where it defines the asset, else as the validator says. */
  readonly exponent: number;
}

/** An account at a height. */
export interface AccountState {
  /** Undefined when there is no such account. */
  readonly account: Account | undefined;
  /** In ascending order of asset. Proven, each by itself; that there are no others is proven only of those asked for. */
  readonly balances: readonly AssetHolding[];
  readonly height: Height;
  /** Ledger time of that height, if proven. */
  readonly timeMs: number | undefined;
  readonly proven: boolean;
}

/** A final block. */
export interface Block extends CertifiedHeader {
  /** Absent at height 0. */
  readonly certificate?: CommitCertificate;
  /** In order; undefined when they were not asked for. */
  readonly transactions: readonly TransactionEnvelope[] | undefined;
  readonly results: readonly TransactionResult[] | undefined;
}

/** A final transaction as it was submitted, with its receipt. */
export interface KnownTransaction extends FinalTransaction {
  readonly envelope: TransactionEnvelope;
}

/** Where one validator says that it stands. Not proven. */
export interface ValidatorStatus {
  readonly version: string;
  readonly network: string;
  readonly chainId: Uint8Array;
  readonly validator: string;
  readonly height: number;
  readonly digest: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly view: number;
  readonly primary: string;
  readonly viewChangeInProgress: boolean;
  readonly connectedValidators: number;
  readonly validators: number;
  readonly quorum: number;
  readonly synced: boolean;
  readonly pendingTransactions: number;
  /** Number of the validator set in force. */
  readonly epoch: number;
  /** Whether the node votes in it; if not, it follows. */
  readonly validates: boolean;
}

/** The value, or the error that says who sent what is no valid message. */
export function wellFormed<T>(result: Result<T, Error>, what: string, from: string): T {
  if (result.ok) return result.value;
  throw new VerificationError(from, `${what} is malformed: ${result.error.message}`, result.error);
}

function holdingOf(wire: AssetBalance__Output, from: string): AssetHolding {
  if (!/^(0|[1-9][0-9]{0,38})$/.test(wire.amount) || BigInt(wire.amount) > limits.maxAmount) {
    throw new VerificationError(from, `A balance of ${wire.asset} is no amount.`);
  }
  return { asset: wire.asset, amount: BigInt(wire.amount), exponent: wire.exponent };
}

function heightOf(value: number, from: string): Height {
  if (Number.isSafeInteger(value) && value >= 0 && value <= limits.maxHeight) return asHeight(value);
  throw new VerificationError(from, 'A height is out of range.');
}

/** Reads an answer without proofs. */
export function unprovenAccount(response: GetAccountResponse__Output, from: string): AccountState {
  return {
    account:
      response.account === null
        ? undefined
        : wellFormed(accountFromWire(response.account), 'The account', from),
    balances: response.balances.map((balance) => holdingOf(balance, from)),
    height: heightOf(response.height, from),
    timeMs: undefined,
    proven: false,
  };
}

/** Checks the proofs of an answer. Only what they prove is given back. */
export async function provenAccount(
  verifier: Verifier,
  response: GetAccountResponse__Output,
  asked: { readonly account: string; readonly assets: readonly string[]; readonly height?: number },
  from: string,
): Promise<AccountState> {
  const assets = asked.assets.length > 0 ? asked.assets : response.balances.map(({ asset }) => asset);
  const [accountProof, ...balanceProofs] = response.proofs;
  if (accountProof === undefined || balanceProofs.length !== assets.length) {
    throw new VerificationError(from, 'The answer does not have the proofs that were asked for.');
  }
  const prove = async (wire: typeof accountProof, key: string): ReturnType<Verifier['state']> => {
    const proof = wellFormed(stateProofFromWire(wire), 'A state proof', from);
    return verifier.state(proof, key, from);
  };
  const state = await prove(accountProof, stateKeys.account(asked.account));
  if (state.height !== response.height || (asked.height !== undefined && state.height !== asked.height)) {
    throw new VerificationError(from, 'The proof is of another height than the one asked for.');
  }
  const exponents = new Map(response.balances.map(({ asset, exponent }) => [asset, exponent]));
  for (const { asset, exponent } of verifier.genesis.assets) exponents.set(asset, exponent);
  const balances: AssetHolding[] = [];
  for (const [position, asset] of assets.entries()) {
    const proof = balanceProofs[position];
    if (proof === undefined) continue;
    const { value, height } = await prove(proof, stateKeys.balance(asked.account, asset));
    if (height !== state.height) throw new VerificationError(from, 'The proofs are of different heights.');
    if (value === undefined) continue;
    const { amount } = wellFormed(decodeBalance(value), 'A balance', from);
    balances.push({ asset, amount, exponent: exponents.get(asset) ?? 0 });
  }
  return {
    account:
      state.value === undefined ? undefined : wellFormed(decodeAccount(state.value), 'The account', from),
    balances: balances.sort((left, right) => (left.asset < right.asset ? -1 : 1)),
    height: state.height,
    timeMs: state.timeMs,
    proven: true,
  };
}

/** Checks a block: certified, and its content that of the header. */
export async function checkedBlock(
  verifier: Verifier,
  response: GetBlockResponse__Output,
  withTransactions: boolean,
  from: string,
): Promise<Block> {
  const headerBytes = new Uint8Array(response.headerBytes);
  const proven =
    response.certificate === null
      ? await verifier.genesisBlock(headerBytes, from)
      : verifier.block(
          headerBytes,
          wellFormed(certificateFromWire(response.certificate), 'The certificate', from),
          from,
        );
  const { certified, certificate } = proven;
  const block = { ...certified, ...(certificate === undefined ? {} : { certificate }) };
  if (!withTransactions) return { ...block, transactions: undefined, results: undefined };
  const transactions = response.transactions.map((wire) =>
    wellFormed(envelopeFromWire(wire), 'A transaction', from),
  );
  const results = response.results.map((wire) => wellFormed(resultFromWire(wire), 'A result', from));
  valid(
    verifyContent(
      certified,
      transactions.map(encodeTransactionEnvelope),
      results.map(encodeTransactionResult),
    ),
    from,
  );
  return { ...block, transactions, results };
}

/** Checks a transaction and its receipt. */
export function checkedTransaction(
  verifier: Verifier,
  response: GetTransactionResponse__Output,
  txId: TxId,
  from: string,
): KnownTransaction {
  const receipt = wellFormed(receiptFromWire(response.receipt), 'The receipt', from);
  const checked = verifier.receipt(receipt, txId, from);
  if (response.envelope === null) throw new VerificationError(from, 'The answer has no transaction.');
  const envelope = wellFormed(envelopeFromWire(response.envelope), 'The transaction', from);
  if (!equalBytes(transactionId(verifier.chainId, envelope.payload), txId)) {
    throw new VerificationError(from, 'The transaction is another one than asked for.');
  }
  return { ...checked.verified, receipt: checked.receipt, envelope };
}

/** Reads a page of accounts. Not proven. */
export function accountsPage(
  response: ListAccountsResponse__Output,
  from: string,
): { readonly accounts: readonly AccountState[]; readonly nextPageToken: string } {
  const height = heightOf(response.height, from);
  return {
    accounts: response.accounts.map(({ account, balances }) => ({
      account: account === null ? undefined : wellFormed(accountFromWire(account), 'An account', from),
      balances: balances.map((balance) => holdingOf(balance, from)),
      height,
      timeMs: undefined,
      proven: false,
    })),
    nextPageToken: response.nextPageToken,
  };
}

/** An entry of an account's history. Not proven: `getTransaction` proves each. */
export interface HistoryItem {
  readonly height: Height;
  readonly index: number;
  readonly txId: TxId;
}

export function historyItem(
  wire: { readonly height: number; readonly index: number; readonly txId: Uint8Array },
  from: string,
): HistoryItem {
  if (wire.txId.length !== 32) throw new VerificationError(from, 'A transaction id has not 32 bytes.');
  return { height: heightOf(wire.height, from), index: wire.index, txId: asTxId(new Uint8Array(wire.txId)) };
}

export function statusOf(response: GetStatusResponse__Output): ValidatorStatus {
  return { ...response };
}
