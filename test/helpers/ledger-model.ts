/**
 * The rules of the ledger once more, as plainly as they can be said: whole copies of the state instead of drafts, all
 * history instead of a window. Written from the comments of the .proto files; shares no code with src/ledger.
 */
import type { Operation, ResultCode } from '../../src/codec/index.js';

const maxAmount = 2n ** 128n - 1n;

/** So many of these keys. */
export interface ModelPolicy {
  readonly threshold: number;
  readonly names: readonly string[];
}

export interface ModelMember {
  readonly policy: ModelPolicy;
  readonly registrar: boolean;
  readonly assetAdmin: boolean;
}

export interface ModelTransaction {
  readonly sender: string;
  readonly signers: readonly string[];
  readonly key: string;
  readonly validUntil: number;
  readonly operations: readonly Operation[];
  /** Policy of each operation that has one, by its index. */
  readonly policies: ReadonlyMap<number, ModelPolicy>;
}

export interface ModelResult {
  readonly code: ResultCode;
  readonly failedOperation: number;
  /** Whether a valid block may hold it. */
  readonly admissible: boolean;
}

interface Books {
  members: Map<string, ModelMember>;
  accounts: Map<string, { owner: string; policy?: ModelPolicy }>;
  assets: Map<string, { issuer: string; issued: bigint; burned: bigint }>;
  /** By "account asset". */
  balances: Map<string, bigint>;
}

export class LedgerModel {
  books: Books;
  readonly #windowBlocks: number;
  /** Every use of a key, ever. */
  readonly #uses: { readonly height: number; readonly key: string }[] = [];

  constructor(books: Books, windowBlocks: number) {
    this.books = books;
    this.#windowBlocks = windowBlocks;
  }

  block(height: number, transactions: readonly ModelTransaction[]): ModelResult[] {
    return transactions.map((transaction) => this.#transaction(height, transaction));
  }

  #transaction(height: number, transaction: ModelTransaction): ModelResult {
    const { sender, signers, validUntil } = transaction;
    const key = `${sender} ${transaction.key}`;
    const refuse = (code: ResultCode): ModelResult => ({ code, failedOperation: 0, admissible: false });
    const member = this.books.members.get(sender);
    if (member === undefined) return refuse('UNKNOWN_SENDER');
    if (!holds(member.policy, signers)) return refuse('SENDER_NOT_AUTHORIZED');
    if (height > validUntil) return refuse('EXPIRED');
    if (validUntil > height + this.#windowBlocks) return refuse('VALIDITY_TOO_LONG');
    const uses = this.#uses.filter((use) => use.key === key && use.height >= height - this.#windowBlocks);
    if (uses.length > 0) {
      const last = Math.max(...uses.map((use) => use.height));
      const outlives = validUntil > last + this.#windowBlocks;
      if (outlives) this.#uses.push({ height, key });
      return { code: 'DUPLICATE', failedOperation: 0, admissible: outlives };
    }
    const before = structuredClone(this.books);
    for (const [index, operation] of transaction.operations.entries()) {
      const code = this.#operation(operation, transaction, transaction.policies.get(index));
      if (code === 'OK') continue;
      this.books = before;
      const admissible = code !== 'ACCOUNT_NOT_AUTHORIZED';
      if (admissible) this.#uses.push({ height, key });
      return { code, failedOperation: index + 1, admissible };
    }
    this.#uses.push({ height, key });
    return { code: 'OK', failedOperation: 0, admissible: true };
  }

  #operation(
    operation: Operation,
    { sender, signers }: ModelTransaction,
    policy: ModelPolicy | undefined,
  ): ResultCode {
    const { members, accounts, assets, balances } = this.books;
    switch (operation.kind) {
      case 'registerMember':
        if (members.get(sender)?.registrar !== true) return 'ROLE_REQUIRED';
        if (members.has(operation.member)) return 'MEMBER_EXISTS';
        if (policy === undefined) throw new Error('a member has a policy');
        members.set(operation.member, { policy, registrar: false, assetAdmin: false });
        return 'OK';
      case 'createAccount':
        if (accounts.has(operation.account)) return 'ACCOUNT_EXISTS';
        accounts.set(operation.account, policy === undefined ? { owner: sender } : { owner: sender, policy });
        return 'OK';
      case 'createAsset':
        if (members.get(sender)?.assetAdmin !== true) return 'ROLE_REQUIRED';
        if (assets.has(operation.asset)) return 'ASSET_EXISTS';
        if (!members.has(operation.issuer)) return 'UNKNOWN_MEMBER';
        assets.set(operation.asset, { issuer: operation.issuer, issued: 0n, burned: 0n });
        return 'OK';
      case 'mint': {
        const asset = assets.get(operation.asset);
        if (asset === undefined) return 'UNKNOWN_ASSET';
        if (asset.issuer !== sender) return 'ROLE_REQUIRED';
        if (!accounts.has(operation.account)) return 'UNKNOWN_ACCOUNT';
        if (asset.issued + operation.amount > maxAmount) return 'AMOUNT_OVERFLOW';
        asset.issued += operation.amount;
        this.#add(operation.account, operation.asset, operation.amount);
        return 'OK';
      }
      case 'burn': {
        const asset = assets.get(operation.asset);
        if (asset === undefined) return 'UNKNOWN_ASSET';
        if (asset.issuer !== sender) return 'ROLE_REQUIRED';
        const refused = this.#mayPay(operation.account, sender, signers);
        if (refused !== undefined) return refused;
        if ((balances.get(`${operation.account} ${operation.asset}`) ?? 0n) < operation.amount)
          return 'INSUFFICIENT_FUNDS';
        asset.burned += operation.amount;
        this.#add(operation.account, operation.asset, 0n - operation.amount);
        return 'OK';
      }
      case 'transfer': {
        const refused = this.#mayPay(operation.fromAccount, sender, signers);
        if (refused !== undefined) return refused;
        if (operation.fromAccount === operation.toAccount) return 'SAME_ACCOUNT';
        if (!accounts.has(operation.toAccount)) return 'UNKNOWN_ACCOUNT';
        if (!assets.has(operation.asset)) return 'UNKNOWN_ASSET';
        if ((balances.get(`${operation.fromAccount} ${operation.asset}`) ?? 0n) < operation.amount)
          return 'INSUFFICIENT_FUNDS';
        this.#add(operation.fromAccount, operation.asset, 0n - operation.amount);
        this.#add(operation.toAccount, operation.asset, operation.amount);
        return 'OK';
      }
      default:
        throw new Error(`the model knows nothing of ${operation.kind}`);
    }
  }

  #mayPay(account: string, sender: string, signers: readonly string[]): ResultCode | undefined {
    const found = this.books.accounts.get(account);
    if (found === undefined) return 'UNKNOWN_ACCOUNT';
    if (found.owner !== sender) return 'NOT_ACCOUNT_OWNER';
    if (found.policy !== undefined && !holds(found.policy, signers)) return 'ACCOUNT_NOT_AUTHORIZED';
    return undefined;
  }

  #add(account: string, asset: string, amount: bigint): void {
    const key = `${account} ${asset}`;
    this.books.balances.set(key, (this.books.balances.get(key) ?? 0n) + amount);
  }
}

function holds({ threshold, names }: ModelPolicy, signers: readonly string[]): boolean {
  return names.filter((name) => signers.includes(name)).length >= threshold;
}
