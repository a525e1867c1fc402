/**
 * Transfers, holds and exchanges once more, as plainly as they can be said: amounts by name, copied whole before each
 * transaction. Written from the comments of the .proto files; shares no code with src/ledger.
 */
import type { Exchange, Operation, ResultCode } from '../../src/codec/index.js';

const most = 2n ** 128n - 1n;

interface ModelHold {
  readonly to: string;
  readonly asset: string;
  readonly captor: string;
  readonly expires: number;
  /** The preimage itself: the model knows all secrets. */
  readonly secret: string;
  left: bigint;
}

interface Money {
  /** By "account asset". */
  balances: Map<string, bigint>;
  /** By "account id". */
  holds: Map<string, ModelHold>;
}

export class SettlementModel {
  money: Money = { balances: new Map(), holds: new Map() };
  readonly #owners: ReadonlyMap<string, string>;
  readonly #assets: ReadonlySet<string>;
  /** Preimages by their hash in hexadecimal. */
  readonly #secrets: ReadonlyMap<string, string>;

  constructor(
    owners: ReadonlyMap<string, string>,
    assets: ReadonlySet<string>,
    secrets: ReadonlyMap<string, string>,
  ) {
    this.#owners = owners;
    this.#assets = assets;
    this.#secrets = secrets;
  }

  /** What a transaction ends with: all of its operations take effect, or none. */
  run(
    sender: string,
    signers: readonly string[],
    timeMs: number,
    operations: readonly Operation[],
  ): ResultCode {
    const before = structuredClone(this.money);
    for (const operation of operations) {
      const code = this.#operation(sender, signers, timeMs, operation);
      if (code === 'OK') continue;
      this.money = before;
      return code;
    }
    return 'OK';
  }

  #operation(sender: string, signers: readonly string[], timeMs: number, operation: Operation): ResultCode {
    const { holds } = this.money;
    switch (operation.kind) {
      case 'transfer': {
        const { fromAccount: from, toAccount: to, asset, amount } = operation;
        return this.#accounts(sender, from, to, asset) ?? this.#move(from, to, asset, amount);
      }
      case 'placeHold': {
        const { holdId, fromAccount: from, toAccount: to, asset, amount, captor } = operation;
        const refused = this.#accounts(sender, from, to, asset);
        if (refused !== undefined) return refused;
        if (![...this.#owners.values()].includes(captor)) return 'UNKNOWN_MEMBER';
        if (operation.expiresUnixMs <= timeMs) return 'DEADLINE_PASSED';
        if (holds.has(`${from} ${holdId}`)) return 'HOLD_EXISTS';
        if (this.#of(from, asset) < amount) return 'INSUFFICIENT_FUNDS';
        this.#add(from, asset, 0n - amount);
        const secret = this.#secrets.get(Buffer.from(operation.hashLock).toString('hex')) ?? '';
        holds.set(`${from} ${holdId}`, {
          ...{ to, asset, captor, secret, left: amount },
          expires: operation.expiresUnixMs,
        });
        return 'OK';
      }
      case 'captureHold': {
        const key = `${operation.fromAccount} ${operation.holdId}`;
        const hold = holds.get(key);
        if (hold?.to !== operation.toAccount || hold.asset !== operation.asset) return 'UNKNOWN_HOLD';
        if (hold.captor !== sender) return 'NOT_CAPTOR';
        if (timeMs >= hold.expires) return 'HOLD_EXPIRED';
        if (Buffer.from(operation.preimage).toString() !== hold.secret) return 'PREIMAGE_MISMATCH';
        if (operation.amount > hold.left) return 'HOLD_EXCEEDED';
        if (this.#of(hold.to, hold.asset) + operation.amount > most) return 'AMOUNT_OVERFLOW';
        hold.left -= operation.amount;
        this.#add(hold.to, hold.asset, operation.amount);
        if (hold.left === 0n) holds.delete(key);
        return 'OK';
      }
      case 'releaseHold': {
        const key = `${operation.fromAccount} ${operation.holdId}`;
        const hold = holds.get(key);
        if (hold?.asset !== operation.asset) return 'UNKNOWN_HOLD';
        if (hold.captor !== sender && this.#owners.get(operation.fromAccount) !== sender) return 'NOT_CAPTOR';
        if (hold.captor !== sender && timeMs < hold.expires) return 'HOLD_NOT_EXPIRED';
        if (operation.amount > hold.left) return 'HOLD_EXCEEDED';
        hold.left -= operation.amount;
        this.#add(operation.fromAccount, hold.asset, operation.amount);
        if (hold.left === 0n) holds.delete(key);
        return 'OK';
      }
      case 'exchange':
        return this.#exchange(signers, timeMs, operation);
      default:
        throw new Error(`the model knows nothing of ${operation.kind}`);
    }
  }

  #exchange(
    signers: readonly string[],
    timeMs: number,
    { parties, legs, deadlineUnixMs }: Exchange,
  ): ResultCode {
    if (timeMs > deadlineUnixMs) return 'DEADLINE_PASSED';
    if (parties.some((party) => !signers.includes(party))) return 'PARTY_NOT_AUTHORIZED';
    for (const { fromAccount: from, toAccount: to, asset } of legs) {
      if (from === to) return 'SAME_ACCOUNT';
      for (const account of [from, to]) {
        const owner = this.#owners.get(account);
        if (owner === undefined) return 'UNKNOWN_ACCOUNT';
        if (!parties.includes(owner)) return 'NOT_A_PARTY';
      }
      if (!this.#assets.has(asset)) return 'UNKNOWN_ASSET';
    }
    // As if everybody could overdraw until all is done.
    for (const { fromAccount: from, toAccount: to, asset, amount } of legs) {
      this.#add(from, asset, 0n - amount);
      this.#add(to, asset, amount);
    }
    return [...this.money.balances.values()].some((held) => held < 0n) ? 'INSUFFICIENT_FUNDS' : 'OK';
  }

  #accounts(sender: string, from: string, to: string, asset: string): ResultCode | undefined {
    if (!this.#owners.has(from)) return 'UNKNOWN_ACCOUNT';
    if (this.#owners.get(from) !== sender) return 'NOT_ACCOUNT_OWNER';
    if (from === to) return 'SAME_ACCOUNT';
    if (!this.#owners.has(to)) return 'UNKNOWN_ACCOUNT';
    return this.#assets.has(asset) ? undefined : 'UNKNOWN_ASSET';
  }

  #move(from: string, to: string, asset: string, amount: bigint): ResultCode {
    if (this.#of(from, asset) < amount) return 'INSUFFICIENT_FUNDS';
    this.#add(from, asset, 0n - amount);
    this.#add(to, asset, amount);
    return 'OK';
  }

  #of(account: string, asset: string): bigint {
    return this.money.balances.get(`${account} ${asset}`) ?? 0n;
  }

  #add(account: string, asset: string, amount: bigint): void {
    this.money.balances.set(`${account} ${asset}`, this.#of(account, asset) + amount);
  }
}
