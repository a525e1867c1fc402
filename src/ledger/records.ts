/**
 * The records that operations read and write: one line a kind says its key, its bytes and when two values are the same.
 */
import {
  decodeAccount,
  decodeAsset,
  decodeBalance,
  decodeChangeProposal,
  decodeGovernance,
  decodeHold,
  decodeMember,
  decodeSupply,
  decodeValidatorSet,
  decodeValidatorSetProposal,
  encodeAccount,
  encodeAsset,
  encodeBalance,
  encodeChangeProposal,
  encodeGovernance,
  encodeHold,
  encodeMember,
  encodeSupply,
  encodeValidatorSet,
  encodeValidatorSetProposal,
  type Account,
  type Asset,
  type Balance,
  type ChangeProposal,
  type CodecError,
  type Governance,
  type Hold,
  type Member,
  type Supply,
  type ValidatorSet,
  type ValidatorSetProposal,
} from '../codec/index.js';
import { asStateKey, DefectError, type Result, type StateKey } from '../types/index.js';

/** One kind of record. `T` is an immutable value: a change makes a new one. */
export interface RecordKind<T> {
  /** Position in the tables of a draft; different for every kind. */
  readonly index: number;
  /** The key is the prefix followed by the id. */
  readonly prefix: string;
  // Methods, so that a kind of T is also a kind of unknown.
  encode(value: T): Uint8Array;
  /** The value of bytes from the state. Throws a DefectError on bytes that the ledger cannot have written. */
  decode(bytes: Uint8Array, id: string): T;
  same(left: T, right: T): boolean;
}

let kinds = 0;

function kind<T>(
  prefix: string,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T, CodecError>,
  same: (left: T, right: T) => boolean = Object.is,
): RecordKind<T> {
  return {
    index: kinds++,
    prefix,
    encode,
    decode: (bytes, id) => {
      const decoded = decode(bytes);
      if (decoded.ok) return decoded.value;
      throw new DefectError(
        `The state's record "${prefix}${id}" is damaged: ${decoded.error.message} Restore this validator's store from a backup or from its peers.`,
      );
    },
    same,
  };
}

/** All kinds of records. */
export const records = {
  member: kind<Member>('member/', encodeMember, decodeMember),
  account: kind<Account>('account/', encodeAccount, decodeAccount),
  asset: kind<Asset>('asset/', encodeAsset, decodeAsset),
  supply: kind<Supply>(
    'supply/',
    encodeSupply,
    decodeSupply,
    (left, right) => left.issued === right.issued && left.burned === right.burned,
  ),
  /** By `balanceId`. */
  balance: kind<Balance>(
    'balance/',
    encodeBalance,
    decodeBalance,
    (left, right) => left.amount === right.amount,
  ),
  /** By `validatorSetIds`. */
  validatorSet: kind<ValidatorSet>('validators/', encodeValidatorSet, decodeValidatorSet),
  /** By the validator that proposed. */
  validatorSetProposal: kind<ValidatorSetProposal>(
    'validators/proposal/',
    encodeValidatorSetProposal,
    decodeValidatorSetProposal,
  ),
  /** By `holdIdOf`. */
  hold: kind<Hold>('hold/', encodeHold, decodeHold),
  /** One; its id is empty. */
  governance: kind<Governance>('governance', encodeGovernance, decodeGovernance),
  /** By the id of the proposal in hexadecimal. */
  changeProposal: kind<ChangeProposal>('proposal/', encodeChangeProposal, decodeChangeProposal),
} as const;

/** Number of kinds. */
export const recordKindCount = kinds;

/** State key of a record. */
export const recordKey = (of: Pick<RecordKind<unknown>, 'prefix'>, id: string): StateKey =>
  asStateKey(of.prefix + id);
