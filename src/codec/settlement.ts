/** Payments in two steps and exchanges between several members (ledger/v1/transaction.proto, state.proto). */
import { asHeight, limits, type Result } from '../types/index.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import { idRules } from './ids.js';
import type { CaptureHold, Exchange, ExchangeLeg, Hold, PlaceHold, ReleaseHold } from './model.js';
import type { Reader } from './reader.js';
import { bytes, repeated, schema, string, uint64, type Field } from './schema.js';
import type { Writer } from './writer.js';

const placeFields = schema('quaestor.ledger.v1.PlaceHold', {
  holdId: string(1),
  fromAccount: string(2),
  toAccount: string(3),
  asset: string(4),
  amount: string(5),
  captor: string(6),
  expiresUnixMs: uint64(7),
  hashLock: bytes(8),
  endToEndId: string(9),
  memo: string(10),
});
const captureFields = schema('quaestor.ledger.v1.CaptureHold', {
  holdId: string(1),
  fromAccount: string(2),
  toAccount: string(3),
  asset: string(4),
  amount: string(5),
  preimage: bytes(6),
});
const releaseFields = schema('quaestor.ledger.v1.ReleaseHold', {
  holdId: string(1),
  fromAccount: string(2),
  asset: string(3),
  amount: string(4),
});
const exchangeFields = schema('quaestor.ledger.v1.Exchange', {
  parties: repeated(1, 'string'),
  legs: repeated(2, 'quaestor.ledger.v1.ExchangeLeg'),
  deadlineUnixMs: uint64(3),
  reference: string(4),
});
const legFields = schema('quaestor.ledger.v1.ExchangeLeg', {
  fromAccount: string(1),
  toAccount: string(2),
  asset: string(3),
  amount: string(4),
});
const holdFields = schema('quaestor.ledger.v1.Hold', {
  holdId: string(1),
  fromAccount: string(2),
  toAccount: string(3),
  asset: string(4),
  amount: string(5),
  remaining: string(6),
  captor: string(7),
  expiresUnixMs: uint64(8),
  hashLock: bytes(9),
  placedHeight: uint64(10),
});

function readHashLock(reader: Reader, field: Field): Uint8Array {
  const lock = reader.bytes(field, 0, 32);
  if (lock.length !== 0 && lock.length !== 32) {
    reader.fail('BAD_VALUE', field, `has ${lock.length} bytes instead of 32 or none`);
  }
  return lock;
}

/** Content of a PlaceHold. */
export function writePlaceHold(writer: Writer, value: PlaceHold): void {
  writer.text(placeFields.holdId, value.holdId);
  writer.text(placeFields.fromAccount, value.fromAccount);
  writer.text(placeFields.toAccount, value.toAccount);
  writer.text(placeFields.asset, value.asset);
  writer.amount(placeFields.amount, value.amount);
  writer.text(placeFields.captor, value.captor);
  writer.uint(placeFields.expiresUnixMs, value.expiresUnixMs);
  writer.bytes(placeFields.hashLock, value.hashLock);
  writer.text(placeFields.endToEndId, value.endToEndId);
  writer.text(placeFields.memo, value.memo);
}

/** Content of a PlaceHold. */
export function readPlaceHold(reader: Reader): PlaceHold {
  const value: PlaceHold = {
    kind: 'placeHold',
    holdId: reader.id(placeFields.holdId, idRules.hold),
    fromAccount: reader.id(placeFields.fromAccount, idRules.account),
    toAccount: reader.id(placeFields.toAccount, idRules.account),
    asset: reader.id(placeFields.asset, idRules.asset),
    amount: reader.amount(placeFields.amount, 1n),
    captor: reader.id(placeFields.captor, idRules.member),
    expiresUnixMs: reader.uint(placeFields.expiresUnixMs, 1, limits.maxTimeMs),
    hashLock: readHashLock(reader, placeFields.hashLock),
    endToEndId: reader.text(placeFields.endToEndId, limits.maxEndToEndIdBytes),
    memo: reader.text(placeFields.memo, limits.maxMemoBytes),
  };
  reader.end(placeFields);
  return value;
}

/** Content of a CaptureHold. */
export function writeCaptureHold(writer: Writer, value: CaptureHold): void {
  writer.text(captureFields.holdId, value.holdId);
  writer.text(captureFields.fromAccount, value.fromAccount);
  writer.text(captureFields.toAccount, value.toAccount);
  writer.text(captureFields.asset, value.asset);
  writer.amount(captureFields.amount, value.amount);
  writer.bytes(captureFields.preimage, value.preimage);
}

/** Content of a CaptureHold. */
export function readCaptureHold(reader: Reader): CaptureHold {
  const value: CaptureHold = {
    kind: 'captureHold',
    holdId: reader.id(captureFields.holdId, idRules.hold),
    fromAccount: reader.id(captureFields.fromAccount, idRules.account),
    toAccount: reader.id(captureFields.toAccount, idRules.account),
    asset: reader.id(captureFields.asset, idRules.asset),
    amount: reader.amount(captureFields.amount, 1n),
    preimage: reader.bytes(captureFields.preimage, 0, limits.maxPreimageBytes),
  };
  reader.end(captureFields);
  return value;
}

/** Content of a ReleaseHold. */
export function writeReleaseHold(writer: Writer, value: ReleaseHold): void {
  writer.text(releaseFields.holdId, value.holdId);
  writer.text(releaseFields.fromAccount, value.fromAccount);
  writer.text(releaseFields.asset, value.asset);
  writer.amount(releaseFields.amount, value.amount);
}

/** Content of a ReleaseHold. */
export function readReleaseHold(reader: Reader): ReleaseHold {
  const value: ReleaseHold = {
    kind: 'releaseHold',
    holdId: reader.id(releaseFields.holdId, idRules.hold),
    fromAccount: reader.id(releaseFields.fromAccount, idRules.account),
    asset: reader.id(releaseFields.asset, idRules.asset),
    amount: reader.amount(releaseFields.amount, 1n),
  };
  reader.end(releaseFields);
  return value;
}

function writeLeg(writer: Writer, value: ExchangeLeg): void {
  writer.text(legFields.fromAccount, value.fromAccount);
  writer.text(legFields.toAccount, value.toAccount);
  writer.text(legFields.asset, value.asset);
  writer.amount(legFields.amount, value.amount);
}

function readLeg(reader: Reader): ExchangeLeg {
  const value: ExchangeLeg = {
    fromAccount: reader.id(legFields.fromAccount, idRules.account),
    toAccount: reader.id(legFields.toAccount, idRules.account),
    asset: reader.id(legFields.asset, idRules.asset),
    amount: reader.amount(legFields.amount, 1n),
  };
  reader.end(legFields);
  return value;
}

/** Content of an Exchange. */
export function writeExchange(writer: Writer, value: Exchange): void {
  for (const party of value.parties) writer.text(exchangeFields.parties, party);
  writer.messages(exchangeFields.legs, value.legs, writeLeg);
  writer.uint(exchangeFields.deadlineUnixMs, value.deadlineUnixMs);
  writer.text(exchangeFields.reference, value.reference);
}

/** Content of an Exchange. */
export function readExchange(reader: Reader): Exchange {
  const value: Exchange = {
    kind: 'exchange',
    parties: reader.ids(exchangeFields.parties, idRules.member, 1, limits.maxExchangeParties),
    legs: reader.messages(exchangeFields.legs, 2, limits.maxExchangeLegs, readLeg),
    deadlineUnixMs: reader.uint(exchangeFields.deadlineUnixMs, 1, limits.maxTimeMs),
    reference: reader.text(exchangeFields.reference, limits.maxEndToEndIdBytes),
  };
  reader.end(exchangeFields);
  return value;
}

function writeHold(writer: Writer, value: Hold): void {
  writer.text(holdFields.holdId, value.holdId);
  writer.text(holdFields.fromAccount, value.fromAccount);
  writer.text(holdFields.toAccount, value.toAccount);
  writer.text(holdFields.asset, value.asset);
  writer.amount(holdFields.amount, value.amount);
  writer.amount(holdFields.remaining, value.remaining);
  writer.text(holdFields.captor, value.captor);
  writer.uint(holdFields.expiresUnixMs, value.expiresUnixMs);
  writer.bytes(holdFields.hashLock, value.hashLock);
  writer.uint(holdFields.placedHeight, value.placedHeight);
}

function readHold(reader: Reader): Hold {
  const value: Hold = {
    holdId: reader.id(holdFields.holdId, idRules.hold),
    fromAccount: reader.id(holdFields.fromAccount, idRules.account),
    toAccount: reader.id(holdFields.toAccount, idRules.account),
    asset: reader.id(holdFields.asset, idRules.asset),
    amount: reader.amount(holdFields.amount, 1n),
    remaining: reader.amount(holdFields.remaining, 1n),
    captor: reader.id(holdFields.captor, idRules.member),
    expiresUnixMs: reader.uint(holdFields.expiresUnixMs, 1, limits.maxTimeMs),
    hashLock: readHashLock(reader, holdFields.hashLock),
    placedHeight: asHeight(reader.uint(holdFields.placedHeight, 1, limits.maxHeight)),
  };
  reader.end(holdFields);
  if (value.remaining > value.amount) reader.fail('BAD_VALUE', holdFields.remaining, 'is more than was held');
  return value;
}

/** Canonical bytes of a hold's record. */
export const encodeHold: (value: Hold) => Uint8Array = encoder('Hold', writeHold);
/** Reads a hold's record. The byte values of the result are views of `bytes`. */
export const decodeHold: (bytes: Uint8Array) => Result<Hold, CodecError> = decoder(
  'Hold',
  bounds.maxRecordBytes,
  readHold,
);
