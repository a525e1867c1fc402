/** GetAccount, ListAccounts and ListAccountHistory: reads of the state at one height. */
import { decodeAccount, decodeAsset, decodeBalance, isId } from '../codec/index.js';
import type { Account } from '../codec/model.js';
import { accountToWire, stateProofToWire } from '../codec/wire-convert.js';
import type { AccountWithBalances } from '../codec/wire/quaestor/ledger/v1/AccountWithBalances.js';
import type { AssetBalance } from '../codec/wire/quaestor/ledger/v1/AssetBalance.js';
import type { GetAccountRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetAccountRequest.js';
import type { GetAccountResponse } from '../codec/wire/quaestor/ledger/v1/GetAccountResponse.js';
import type { ListAccountHistoryRequest__Output } from '../codec/wire/quaestor/ledger/v1/ListAccountHistoryRequest.js';
import type { ListAccountHistoryResponse } from '../codec/wire/quaestor/ledger/v1/ListAccountHistoryResponse.js';
import type { ListAccountsRequest__Output } from '../codec/wire/quaestor/ledger/v1/ListAccountsRequest.js';
import type { ListAccountsResponse } from '../codec/wire/quaestor/ledger/v1/ListAccountsResponse.js';
import { LRUCache } from 'lru-cache';
import { invariant, type Height } from '../types/index.js';
import { ApiError, invalidField } from './errors.js';
import { decodePageToken, encodePageToken, pageSizeOf } from './page-token.js';
import type { ReadPort } from './ports.js';
import { stateKeys } from '../ledger/index.js';
import { heightToRead, stored } from './reads.js';
import { mutable } from './mutable.js';

/** Most assets that GetAccount reads or proves at a time. */
const maxAssets = 256;
/** Accounts that one call of ListAccounts looks at, at most: a filter that matches few gives short pages. */
const maxScannedAccounts = 5000;
/** Accounts whose balances are read at the same time. */
const balanceReads = 32;

const balancePrefix = (account: string): string => `balance/${account}/`;

/** Reads accounts. Keeps the exponents of assets, which never change. */
export class AccountReader {
  readonly #reads: ReadPort;
  readonly #exponents = new LRUCache<string, number>({ max: 4096 });

  constructor(reads: ReadPort) {
    this.#reads = reads;
  }

  async getAccount(request: GetAccountRequest__Output): Promise<GetAccountResponse> {
    const { account: id, assets, includeProof } = request;
    checkAccountId(id);
    if (assets.length > maxAssets) throw invalidField('assets', `at most ${maxAssets} can be asked for.`);
    for (const asset of assets) {
      if (!isId('asset', asset)) throw invalidField('assets', 'one of them is not an id of an asset.');
    }
    const height = heightToRead(this.#reads, request.height);
    const bytes = await this.#reads.stateAt(stateKeys.account(id), height);
    if (bytes === undefined && !includeProof) {
      throw new ApiError('ACCOUNT_NOT_FOUND', `There is no account "${id}" at height ${height}.`, {
        account: id,
        height: String(height),
      });
    }
    const balances =
      assets.length === 0
        ? await this.#balancesOf(id, height)
        : await this.#namedBalancesOf(id, assets, height);
    const response: GetAccountResponse = { height, balances };
    if (bytes !== undefined) response.account = accountToWire(stored(decodeAccount(bytes)));
    if (includeProof) {
      const proven = assets.length === 0 ? balances.map(({ asset }) => asset ?? '') : assets;
      const keys = [stateKeys.account(id), ...proven.map((asset) => stateKeys.balance(id, asset))];
      response.proofs = (await this.#reads.prove(keys, height)).map(stateProofToWire);
    }
    return response;
  }

  async listAccounts(request: ListAccountsRequest__Output): Promise<ListAccountsResponse> {
    const { owner, pageToken } = request;
    if (owner !== '' && !isId('member', owner)) throw invalidField('owner', 'it is not an id of a member.');
    const pageSize = pageSizeOf(request.pageSize);
    const scope = ['ListAccounts', owner];
    const start = pageToken === '' ? undefined : decodePageToken(scope, pageToken);
    const height = heightToRead(this.#reads, start?.height);
    if (start !== undefined) checkAccountId(start.cursor, 'page_token');

    const found: Account[] = [];
    let after = start?.cursor;
    let more = true;
    for (let scanned = 0; more && found.length < pageSize && scanned < maxScannedAccounts;) {
      const limit = owner === '' ? pageSize - found.length : 500;
      const range = await this.#reads.stateRange({
        prefix: 'account/',
        height,
        limit,
        ...(after === undefined ? {} : { after: stateKeys.account(after) }),
      });
      more = range.length === limit;
      scanned += range.length;
      for (const [position, { value }] of range.entries()) {
        const account = stored(decodeAccount(value));
        after = account.account;
        if (owner !== '' && account.owner !== owner) continue;
        found.push(account);
        if (found.length === pageSize) {
          more ||= position < range.length - 1;
          break;
        }
      }
    }
    return {
      accounts: await this.#withBalances(found, height),
      nextPageToken: more && after !== undefined ? encodePageToken(scope, { height, cursor: after }) : '',
      height,
    };
  }

  async listAccountHistory(request: ListAccountHistoryRequest__Output): Promise<ListAccountHistoryResponse> {
    const { account, pageToken } = request;
    checkAccountId(account);
    const pageSize = pageSizeOf(request.pageSize);
    const scope = ['ListAccountHistory', account];
    const start = pageToken === '' ? undefined : decodePageToken(scope, pageToken);
    const before =
      start === undefined ? undefined : { height: start.height, index: Number.parseInt(start.cursor, 10) };
    if (before !== undefined && !(before.index >= 0)) throw invalidField('page_token', 'it is damaged.');
    const { entries, next } = await this.#reads.history(account, pageSize, before);
    return {
      entries: mutable(entries),
      nextPageToken:
        next === undefined ? '' : encodePageToken(scope, { height: next.height, cursor: String(next.index) }),
    };
  }

  async #withBalances(accounts: readonly Account[], height: Height): Promise<AccountWithBalances[]> {
    const items: AccountWithBalances[] = [];
    for (let start = 0; start < accounts.length; start += balanceReads) {
      const some = accounts.slice(start, start + balanceReads);
      items.push(
        ...(await Promise.all(
          some.map(async (account) => ({
            account: accountToWire(account),
            balances: await this.#balancesOf(account.account, height),
          })),
        )),
      );
    }
    return items;
  }

  async #balancesOf(account: string, height: Height): Promise<AssetBalance[]> {
    const prefix = balancePrefix(account);
    const range = await this.#reads.stateRange({ prefix, height, limit: maxAssets });
    return Promise.all(
      range.map(({ key, value }) => this.#assetBalance(key.slice(prefix.length), value, height)),
    );
  }

  /** Of assets by name; what the account does not hold is left out. */
  async #namedBalancesOf(
    account: string,
    assets: readonly string[],
    height: Height,
  ): Promise<AssetBalance[]> {
    const balances = await Promise.all(
      assets.map(async (asset) => {
        const value = await this.#reads.stateAt(stateKeys.balance(account, asset), height);
        return value === undefined ? undefined : this.#assetBalance(asset, value, height);
      }),
    );
    return balances
      .filter((balance) => balance !== undefined)
      .sort((left, right) => ((left.asset ?? '') < (right.asset ?? '') ? -1 : 1));
  }

  async #assetBalance(asset: string, value: Uint8Array, height: Height): Promise<AssetBalance> {
    let exponent = this.#exponents.get(asset);
    if (exponent === undefined) {
      const bytes = await this.#reads.stateAt(stateKeys.asset(asset), height);
      invariant(bytes !== undefined, 'an asset that is held exists');
      ({ exponent } = stored(decodeAsset(bytes)));
      this.#exponents.set(asset, exponent);
    }
    return { asset, amount: stored(decodeBalance(value)).amount.toString(), exponent };
  }
}

function checkAccountId(account: string, field = 'account'): void {
  if (!isId('account', account)) throw invalidField(field, 'it is not an id of an account.');
}
