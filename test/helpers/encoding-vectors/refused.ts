import { concatBytes, toHex } from '../../../src/types/index.js';
import { ledger, type RefusedVector } from './types.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Bytes that a reader has to refuse, each with one thing wrong. */
export function refusedVectors(): readonly RefusedVector[] {
  const key32 = '07'.repeat(32);
  const start = '0a03434846';
  const exponent = '1002';
  const issuer = '1a0a62616e6b2d616c706861';
  const text = '22044672616e';
  const payloadStart = `0a01611210${'07'.repeat(16)}`;
  const mint = '22090a01431201611a0131';
  const transfer = '320c0a01611201621a0143220131';
  const memberStart = `0a01611a28080112240a20${key32}1001`;
  const vector = (message: string, why: string, code: string, bytes: string): RefusedVector => ({
    message: ledger(message),
    why,
    code,
    bytes,
  });
  const assetCase = (why: string, code: string, ...parts: readonly string[]): RefusedVector =>
    vector('Asset', why, code, parts.join(''));
  const amount = (why: string, digits: string): RefusedVector => {
    const bytes = utf8(digits);
    return vector('Balance', why, 'BAD_VALUE', toHex(concatBytes(Uint8Array.of(0x0a, bytes.length), bytes)));
  };
  return [
    assetCase('unknown field 5', 'UNKNOWN_FIELD', start, exponent, issuer, text, '2801'),
    assetCase(
      'unknown field 16, whose tag takes two bytes',
      'UNKNOWN_FIELD',
      start,
      exponent,
      issuer,
      text,
      '800101',
    ),
    assetCase('field 4 before field 3', 'MISSING_FIELD', start, exponent, text, issuer),
    assetCase('field 2 after field 3', 'WRONG_ORDER', start, issuer, exponent, text),
    assetCase('field 2 twice', 'WRONG_ORDER', start, exponent, exponent, issuer, text),
    assetCase('field 1 twice', 'WRONG_ORDER', start, start, exponent, issuer, text),
    assetCase('field 1 missing', 'MISSING_FIELD', exponent, issuer, text),
    assetCase('the exponent in two bytes', 'NOT_CANONICAL', start, '108200', issuer, text),
    assetCase('a length in two bytes', 'NOT_CANONICAL', '0a8300434846', exponent, issuer, text),
    assetCase('a tag in two bytes', 'NOT_CANONICAL', start, exponent, issuer, 'a200044672616e'),
    assetCase('an exponent of 0 written out', 'NOT_CANONICAL', start, '1000', issuer, text),
    assetCase('an empty name written out', 'NOT_CANONICAL', start, exponent, issuer, '2200'),
    assetCase('a number that does not end', 'TRUNCATED', start, '1082'),
    assetCase('a text that does not end', 'TRUNCATED', start, exponent, issuer, '2204467261'),
    assetCase('a tag alone', 'TRUNCATED', start, exponent, issuer, '22'),
    assetCase('field 2 as bytes', 'WRONG_TYPE', start, '120102', issuer, text),
    assetCase('field 4 as a group', 'WRONG_TYPE', start, exponent, issuer, '2324'),
    assetCase('a name that is not UTF-8', 'BAD_UTF8', start, exponent, issuer, '2202c0af'),
    assetCase('an exponent of 19', 'BAD_VALUE', start, '1013', issuer, text),
    assetCase('a lower-case asset id', 'BAD_VALUE', '0a03636866', exponent, issuer, text),
    assetCase('an asset id of 17 characters', 'TOO_LARGE', `0a11${'41'.repeat(17)}`, exponent, issuer, text),
    vector('Asset', 'no bytes at all', 'MISSING_FIELD', ''),
    amount('zero', '0'),
    amount('a leading zero', '01'),
    amount('a plus sign', '+1'),
    amount('a minus sign', '-1'),
    amount('an exponent', '1e3'),
    amount('a point', '1.0'),
    amount('a space', '1 '),
    amount('hexadecimal', '0x1'),
    amount('digits that are not ASCII', '１'),
    amount('2^128', (2n ** 128n).toString()),
    amount('40 digits', '1'.repeat(40)),
    vector('Member', 'roles that are not packed', 'WRONG_TYPE', memberStart + '2001'),
    vector('Member', 'roles out of order', 'WRONG_ORDER', memberStart + '22020201'),
    vector('Member', 'a role that is unspecified', 'BAD_VALUE', memberStart + '220100'),
    vector('Member', 'an empty list of roles written out', 'NOT_CANONICAL', memberStart + '2200'),
    vector(
      'Account',
      'a policy whose threshold is above its weights',
      'BAD_VALUE',
      `0a0161120161` + `1a2808021224` + `0a20${key32}1001`,
    ),
    vector('Account', 'a policy without keys', 'MISSING_FIELD', '0a0161120161' + '1a020801'),
    vector('TransactionPayload', 'no operations', 'MISSING_FIELD', payloadStart),
    vector('TransactionPayload', 'an operation of no kind', 'MISSING_FIELD', `${payloadStart}2200`),
    vector(
      'TransactionPayload',
      'an operation of two kinds',
      'WRONG_ORDER',
      `${payloadStart}2219${mint}${transfer}`,
    ),
    vector(
      'TransactionPayload',
      'an operation cut short',
      'TRUNCATED',
      `${payloadStart}220b${mint}`.slice(0, -2),
    ),
    vector(
      'TransactionPayload',
      'an idempotency key of 15 bytes',
      'BAD_VALUE',
      `0a0161120f${'07'.repeat(15)}220b${mint}`,
    ),
    vector('AppliedBlock', 'a hash of 31 bytes', 'BAD_VALUE', `0a1f${'07'.repeat(31)}`),
    vector('TransactionResult', 'a code that nobody knows', 'BAD_VALUE', `0a20${key32}1063`),
    vector('TransactionResult', 'no code', 'MISSING_FIELD', `0a20${key32}`),
    vector('TransactionResult', 'success with a failed operation', 'BAD_VALUE', `0a20${key32}10011801`),
  ];
}
