/** Exists for the compiler only. A plain property instead of a unique symbol, since declaration files of other modules
 * could not name that. */
type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** Height of a block; the genesis block has height 0. A safe integer of at most `limits.maxHeight`. */
export type Height = Brand<number, 'Height'>;
/** View of the protocol, from 0. A safe integer of at most `limits.maxView`. */
export type View = Brand<number, 'View'>;
/** Position of a validator in the validator set, from 0. */
export type ValidatorIndex = Brand<number, 'ValidatorIndex'>;
/** Number of minor units of an asset, 0 … 2^128 - 1. */
export type Amount = Brand<bigint, 'Amount'>;

/** 32 bytes: SHA-256 of a domain tag and a block header's canonical bytes. */
export type Digest = Brand<Uint8Array, 'Digest'>;
/** 32 bytes: any other SHA-256. */
export type Hash = Brand<Uint8Array, 'Hash'>;
/** 32 bytes: hash of the genesis. */
export type ChainId = Brand<Uint8Array, 'ChainId'>;
/** 32 bytes: id of a transaction. */
export type TxId = Brand<Uint8Array, 'TxId'>;
/** 32 bytes: Ed25519 public key, not necessarily a valid point. */
export type PublicKey = Brand<Uint8Array, 'PublicKey'>;
/** 64 bytes: Ed25519 signature, not necessarily a valid one. */
export type Signature = Brand<Uint8Array, 'Signature'>;

/** Key of the ledger's state, for example "account/CH93…" (see src/ledger). */
export type StateKey = Brand<string, 'StateKey'>;

/** Brands a number as a height. The caller has checked the range. */
export const asHeight = (value: number): Height => value as Height;
/** Brands a number as a view. The caller has checked the range. */
export const asView = (value: number): View => value as View;
/** Brands a number as a validator index. The caller has checked the range. */
export const asValidatorIndex = (value: number): ValidatorIndex => value as ValidatorIndex;
/** Brands a bigint as an amount. The caller has checked the range. */
export const asAmount = (value: bigint): Amount => value as Amount;
/** Brands 32 bytes as a digest. The caller has checked the length. */
export const asDigest = (value: Uint8Array): Digest => value as Digest;
/** Brands 32 bytes as a hash. The caller has checked the length. */
export const asHash = (value: Uint8Array): Hash => value as Hash;
/** Brands 32 bytes as a chain id. The caller has checked the length. */
export const asChainId = (value: Uint8Array): ChainId => value as ChainId;
/** Brands 32 bytes as a transaction id. The caller has checked the length. */
export const asTxId = (value: Uint8Array): TxId => value as TxId;
/** Brands 32 bytes as a public key. The caller has checked the length. */
export const asPublicKey = (value: Uint8Array): PublicKey => value as PublicKey;
/** Brands 64 bytes as a signature. The caller has checked the length. */
export const asSignature = (value: Uint8Array): Signature => value as Signature;
/** Brands a string as a state key. */
export const asStateKey = (value: string): StateKey => value as StateKey;
