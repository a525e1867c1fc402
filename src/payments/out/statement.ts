/** What happened on one account in one asset between two heights: the content of a camt message, and of a CSV file. */

/** One movement of an account. */
export interface StatementEntry {
  readonly height: number;
  /** Of the transaction in its block, and of the operation in the transaction. */
  readonly index: number;
  readonly operation: number;
  /** Hexadecimal. */
  readonly txId: string;
  /** Ledger time. */
  readonly timeMs: number;
  /** Minor units: positive when the account received them. */
  readonly amount: bigint;
  /** A payment out of a hold is a transfer to who is paid; who pays has the hold instead. */
  readonly kind: 'transfer' | 'mint' | 'burn' | 'hold' | 'release' | 'exchange';
  /** Undefined for what is issued, burned or given back, and for an exchange with several accounts. */
  readonly otherAccount: string | undefined;
  readonly endToEndId: string;
  readonly memo: string;
}

/** A balance after a block. */
export interface StatementBalance {
  readonly height: number;
  /** Minor units. */
  readonly amount: bigint;
}

/** A statement without its entries, which are streamed. */
export interface StatementHead {
  readonly account: string;
  /** Id of the member. */
  readonly owner: string;
  readonly asset: string;
  /** Decimal places of the asset. */
  readonly exponent: number;
  /** The period: from inclusive, to exclusive, in ledger time. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly opening: StatementBalance;
  readonly closing: StatementBalance;
  /** Whether nothing can be added to the period any more. */
  readonly isClosed: boolean;
}

/** Names the movement on its chain, in at most 35 characters. */
export const referenceOf = ({ height, index, operation }: StatementEntry): string =>
  `${height}-${index}-${operation}`;
