import { describe, expect, it } from '@jest/globals';
import {
  firstValidatorSet,
  bounds,
  CodecError,
  decodeAccount,
  decodeAppliedBlock,
  decodeAsset,
  decodeBalance,
  decodeBlockHeader,
  decodeCommitCertificate,
  decodeConsensusMessage,
  decodeGenesis,
  decodeMember,
  decodeNewView,
  decodeParameters,
  decodeReceipt,
  decodeStateProof,
  decodeSupply,
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  decodeTransactionResult,
  decodeValidatorSet,
  decodeViewChange,
  decodeVoteStatement,
  encodeAccount,
  encodeAppliedBlock,
  encodeAsset,
  encodeBalance,
  encodeBlockHeader,
  encodeChecked,
  encodeCommitCertificate,
  encodeConsensusMessage,
  encodeGenesis,
  encodeMember,
  encodeNewView,
  encodeParameters,
  encodeReceipt,
  encodeStateProof,
  encodeSupply,
  encodeTransactionEnvelope,
  encodeTransactionPayload,
  encodeTransactionResult,
  encodeValidatorSet,
  encodeViewChange,
  encodeVoteStatement,
  isId,
  type CodecErrorCode,
} from '../../../src/codec/index.js';
import { limits, type Result } from '../../../src/types/index.js';
import { oracleEncode } from '../../helpers/protobuf-oracle.js';
import {
  account,
  amount,
  asset,
  certificate,
  filled,
  genesis,
  header,
  key,
  member,
  newView,
  parameters,
  payload,
  policy,
  proof,
  receipt,
  result,
  transfer,
  validator,
  viewChange,
  vote,
} from './samples.js';

interface Refusal {
  readonly what: string;
  readonly outcome: Result<unknown, CodecError>;
  readonly code: CodecErrorCode;
  readonly path: string;
}

/** `change` may hold values that the types forbid: they come from outside. */
type Loose = Readonly<Record<string, unknown>>;

function refuses<T>(
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T, CodecError>,
  sample: T,
) {
  return (what: string, change: Loose, code: CodecErrorCode, path: string): Refusal => ({
    what,
    outcome: encodeChecked(encode, decode, { ...sample, ...change }),
    code,
    path,
  });
}

const inPayload = refuses(encodeTransactionPayload, decodeTransactionPayload, payload);
const inEnvelope = refuses(encodeTransactionEnvelope, decodeTransactionEnvelope, {
  payload: filled(3),
  signatures: [key(1)],
});
const inTransfer = (what: string, change: Loose, code: CodecErrorCode, path: string): Refusal =>
  inPayload(what, { operations: [{ ...transfer, ...change }] }, code, `operations[0].transfer.${path}`);
const inPolicy = (what: string, change: Loose, code: CodecErrorCode, path: string): Refusal =>
  refuses(encodeAccount, decodeAccount, account)(
    `policy: ${what}`,
    { policy: { ...policy, ...change } },
    code,
    `policy${path}`,
  );
const inHeader = refuses(encodeBlockHeader, decodeBlockHeader, header);
const inVote = refuses(encodeVoteStatement, decodeVoteStatement, vote);
const inCertificate = refuses(encodeCommitCertificate, decodeCommitCertificate, certificate);
const inResult = refuses(encodeTransactionResult, decodeTransactionResult, result);
const inReceipt = refuses(encodeReceipt, decodeReceipt, receipt);
const inProof = refuses(encodeStateProof, decodeStateProof, proof);
const inMember = refuses(encodeMember, decodeMember, member);
const inAccount = refuses(encodeAccount, decodeAccount, account);
const inAsset = refuses(encodeAsset, decodeAsset, asset);
const inSupply = refuses(encodeSupply, decodeSupply, { issued: 5n, burned: 2n });
const inBalance = refuses(encodeBalance, decodeBalance, { amount: amount(1n) });
const inApplied = refuses(encodeAppliedBlock, decodeAppliedBlock, { idempotencyHashes: [] });
const inParameters = refuses(encodeParameters, decodeParameters, parameters);
const inSet = refuses(encodeValidatorSet, decodeValidatorSet, firstValidatorSet([validator(1)]));
const inGenesis = refuses(encodeGenesis, decodeGenesis, genesis);
const inViewChange = refuses(encodeViewChange, decodeViewChange, viewChange);
const inNewView = refuses(encodeNewView, decodeNewView, newView);
const inMessage = refuses(encodeConsensusMessage, decodeConsensusMessage, {
  kind: 'prepare',
  view: certificate.view,
  height: certificate.height,
  digest: certificate.digest,
  signature: certificate.signatures[0]!,
});

const many = <T>(count: number, item: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => item(index));
const keys = many(17, (index) => ({ publicKey: filled(32, index), weight: 1 }));

const refusals: readonly Refusal[] = [
  inEnvelope('no payload', { payload: filled(0) }, 'MISSING_FIELD', 'payload'),
  inEnvelope('a payload too large', { payload: filled(limits.maxPayloadBytes + 1) }, 'TOO_LARGE', 'payload'),
  inEnvelope('no signatures', { signatures: [] }, 'MISSING_FIELD', 'signatures'),
  inEnvelope(
    'too many signatures',
    { signatures: many(17, (index) => key(index)) },
    'TOO_LARGE',
    'signatures',
  ),
  inEnvelope('signatures out of order', { signatures: [key(2), key(1)] }, 'WRONG_ORDER', 'signatures'),
  inEnvelope('a key twice', { signatures: [key(1), key(1)] }, 'WRONG_ORDER', 'signatures'),
  inEnvelope(
    'a short key',
    { signatures: [{ ...key(1), publicKey: filled(31) }] },
    'BAD_VALUE',
    'signatures[0].public_key',
  ),
  inEnvelope(
    'a long signature',
    { signatures: [{ ...key(1), signature: filled(65) }] },
    'TOO_LARGE',
    'signatures[0].signature',
  ),
  inEnvelope('an envelope too large', { payload: filled(67 * 1024) }, 'TOO_LARGE', ''),

  inPayload('no sender', { sender: '' }, 'MISSING_FIELD', 'sender'),
  inPayload('an upper-case sender', { sender: 'Bank' }, 'BAD_VALUE', 'sender'),
  inPayload('a sender of 65 characters', { sender: 'b'.repeat(65) }, 'TOO_LARGE', 'sender'),
  inPayload('a sender that starts with a dot', { sender: '.bank' }, 'BAD_VALUE', 'sender'),
  inPayload('no key', { idempotencyKey: filled(0) }, 'MISSING_FIELD', 'idempotency_key'),
  inPayload('a short key', { idempotencyKey: filled(15) }, 'BAD_VALUE', 'idempotency_key'),
  inPayload('a long key', { idempotencyKey: filled(33) }, 'TOO_LARGE', 'idempotency_key'),
  inPayload(
    'a height beyond all',
    { validUntilHeight: limits.maxHeight + 1 },
    'BAD_VALUE',
    'valid_until_height',
  ),
  inPayload('a height of 2^63', { validUntilHeight: 2 ** 63 }, 'BAD_VALUE', 'valid_until_height'),
  inPayload('no operations', { operations: [] }, 'MISSING_FIELD', 'operations'),
  inPayload('too many operations', { operations: many(65, () => transfer) }, 'TOO_LARGE', 'operations'),
  inTransfer('no payer', { fromAccount: '' }, 'MISSING_FIELD', 'from_account'),
  inTransfer('a space in an account', { fromAccount: 'CH93 00' }, 'BAD_VALUE', 'from_account'),
  inTransfer('an account not in ASCII', { toAccount: 'kontö' }, 'BAD_VALUE', 'to_account'),
  inTransfer('a slash in an account', { toAccount: 'a/b' }, 'BAD_VALUE', 'to_account'),
  inTransfer('a colon first', { toAccount: ':a' }, 'BAD_VALUE', 'to_account'),
  inTransfer('a lower-case asset', { asset: 'eur' }, 'BAD_VALUE', 'asset'),
  inTransfer('an asset of 17 characters', { asset: 'E'.repeat(17) }, 'TOO_LARGE', 'asset'),
  inTransfer('an amount of zero', { amount: 0n }, 'BAD_VALUE', 'amount'),
  inTransfer('a negative amount', { amount: -1n }, 'BAD_VALUE', 'amount'),
  inTransfer('an amount of 2^128', { amount: 2n ** 128n }, 'BAD_VALUE', 'amount'),
  inTransfer('an amount of 40 digits', { amount: 10n ** 39n }, 'BAD_VALUE', 'amount'),
  inTransfer('a long end-to-end id', { endToEndId: 'e'.repeat(65) }, 'TOO_LARGE', 'end_to_end_id'),
  inTransfer('a long memo', { memo: 'é'.repeat(257) }, 'TOO_LARGE', 'memo'),

  inPolicy('no threshold', { threshold: 0 }, 'MISSING_FIELD', '.threshold'),
  inPolicy('a threshold that no signatures reach', { threshold: 4 }, 'BAD_VALUE', '.threshold'),
  inPolicy('no keys', { keys: [] }, 'MISSING_FIELD', '.keys'),
  inPolicy('too many keys', { keys }, 'TOO_LARGE', '.keys'),
  inPolicy('keys out of order', { keys: [keys[1], keys[0]] }, 'WRONG_ORDER', '.keys'),
  inPolicy('a key twice', { keys: [keys[0], keys[0]] }, 'WRONG_ORDER', '.keys'),
  inPolicy('a weight of 0', { keys: [{ ...keys[0], weight: 0 }] }, 'MISSING_FIELD', '.keys[0].weight'),
  inPolicy('a weight of 256', { keys: [{ ...keys[0], weight: 256 }] }, 'BAD_VALUE', '.keys[0].weight'),

  inHeader('version 2', { version: 2 }, 'BAD_VALUE', 'version'),
  inHeader('no version', { version: 0 }, 'MISSING_FIELD', 'version'),
  inHeader('a short chain id', { chainId: filled(31) }, 'BAD_VALUE', 'chain_id'),
  inHeader('a long root', { stateRoot: filled(33) }, 'TOO_LARGE', 'state_root'),
  inHeader('no root', { resultsRoot: filled(0) }, 'MISSING_FIELD', 'results_root'),
  inHeader('a height beyond all', { height: limits.maxHeight + 1 }, 'BAD_VALUE', 'height'),
  inHeader('a view beyond all', { view: limits.maxView + 1 }, 'BAD_VALUE', 'view'),
  inHeader('a time beyond all', { timeMs: limits.maxTimeMs + 1 }, 'BAD_VALUE', 'time_unix_ms'),
  inHeader('proposer 64', { proposer: 64 }, 'BAD_VALUE', 'proposer'),
  inHeader('too many transactions', { transactionCount: 10_001 }, 'BAD_VALUE', 'transaction_count'),

  inVote('height 0', { height: 0 }, 'MISSING_FIELD', 'height'),
  inCertificate('height 0', { height: 0 }, 'MISSING_FIELD', 'height'),
  inCertificate('no signatures', { signatures: [] }, 'MISSING_FIELD', 'signatures'),
  inCertificate(
    'a validator twice',
    { signatures: [certificate.signatures[0], certificate.signatures[0]] },
    'WRONG_ORDER',
    'signatures',
  ),
  inCertificate(
    'signatures out of order',
    { signatures: [certificate.signatures[1], certificate.signatures[0]] },
    'WRONG_ORDER',
    'signatures',
  ),
  inCertificate(
    'validator 64',
    { signatures: [{ ...certificate.signatures[0], validator: 64 }] },
    'BAD_VALUE',
    'signatures[0].validator',
  ),
  inResult('an operation that succeeded and failed', { failedOperation: 1 }, 'BAD_VALUE', 'failed_operation'),
  inResult('operation 65', { code: 'EXPIRED', failedOperation: 65 }, 'BAD_VALUE', 'failed_operation'),
  inReceipt('a path of 33 hashes', { path: many(33, () => filled(32)) }, 'TOO_LARGE', 'path'),
  inReceipt('a short hash', { path: [filled(31)] }, 'BAD_VALUE', 'path'),
  inReceipt('no result', { result: filled(0) }, 'MISSING_FIELD', 'result'),
  inReceipt('a header too large', { header: filled(513) }, 'TOO_LARGE', 'header'),
  inReceipt('an index that no block has', { index: 10_000 }, 'BAD_VALUE', 'index'),
  inProof('no key', { key: '' }, 'MISSING_FIELD', 'key'),
  inProof('a long key', { key: 'k'.repeat(129) }, 'TOO_LARGE', 'key'),
  inProof('a sibling of 16 bytes', { siblings: [filled(16)] }, 'BAD_VALUE', 'siblings'),
  inProof('257 siblings', { siblings: many(257, () => filled(0)) }, 'TOO_LARGE', 'siblings'),
  inProof('half of another leaf', { otherLeafPath: filled(32) }, 'BAD_VALUE', 'other_leaf_path'),
  inProof(
    'another leaf of 31 bytes',
    { otherLeafPath: filled(31), otherLeafValueHash: filled(31) },
    'BAD_VALUE',
    'other_leaf_path',
  ),

  inMember('roles out of order', { roles: ['assetAdmin', 'registrar'] }, 'WRONG_ORDER', 'roles'),
  inMember('a role twice', { roles: ['registrar', 'registrar'] }, 'WRONG_ORDER', 'roles'),
  inMember('a long name', { name: 'n'.repeat(129) }, 'TOO_LARGE', 'name'),
  inMember('no policy', { policy: undefined }, 'MISSING_FIELD', 'policy'),
  inAccount('no owner', { owner: '' }, 'MISSING_FIELD', 'owner'),
  inAsset('19 decimal places', { exponent: 19 }, 'BAD_VALUE', 'exponent'),
  inSupply('more burned than issued', { burned: 6n }, 'BAD_VALUE', 'burned'),
  inSupply('a negative count', { burned: -1n }, 'BAD_VALUE', 'burned'),
  inBalance('a balance of zero', { amount: 0n }, 'BAD_VALUE', 'amount'),
  inApplied('a short hash', { idempotencyHashes: [filled(31)] }, 'BAD_VALUE', 'idempotency_hashes'),
  inApplied('too many hashes', { idempotencyHashes: many(10_001, () => filled(32)) }, 'TOO_LARGE', ''),
  inParameters('no window', { validityWindowBlocks: 0 }, 'MISSING_FIELD', 'validity_window_blocks'),
  inParameters('a wide pipeline', { pipelineWindowBlocks: 65 }, 'BAD_VALUE', 'pipeline_window_blocks'),
  inParameters('large blocks', { maxBlockBytes: 8 * 1024 * 1024 + 1 }, 'BAD_VALUE', 'max_block_bytes'),
  inParameters('a skew of 2^32', { maxClockSkewMs: 2 ** 32 }, 'BAD_VALUE', 'max_clock_skew_ms'),
  inSet('no validators', { validators: [] }, 'MISSING_FIELD', 'validators'),
  inSet(
    'an id twice',
    { validators: [validator(1), { ...validator(2), id: validator(1).id }] },
    'BAD_VALUE',
    'validators',
  ),
  inSet(
    'a key twice',
    { validators: [validator(1), { ...validator(2), publicKey: validator(1).publicKey }] },
    'BAD_VALUE',
    'validators',
  ),
  inSet('65 validators', { validators: many(65, validator) }, 'TOO_LARGE', 'validators'),
  inGenesis('no validators', { validators: [] }, 'MISSING_FIELD', 'validators'),
  inGenesis('no parameters', { parameters: undefined }, 'MISSING_FIELD', 'parameters'),
  inGenesis('a long name', { network: 'n'.repeat(65) }, 'TOO_LARGE', 'network'),
  inGenesis('a member twice', { members: [member, member] }, 'WRONG_ORDER', 'members'),
  inGenesis('assets out of order', { assets: [asset, { ...asset, asset: 'AAA' }] }, 'WRONG_ORDER', 'assets'),
  inGenesis('an account twice', { accounts: [account, account] }, 'WRONG_ORDER', 'accounts'),
  inGenesis(
    'balances out of order',
    {
      balances: [
        { account: 'a', asset: 'USD', amount: 1n },
        { account: 'a', asset: 'EUR', amount: 1n },
      ],
    },
    'WRONG_ORDER',
    'balances',
  ),

  inViewChange('validator 64', { validator: 64 }, 'BAD_VALUE', 'validator'),
  inViewChange(
    'prepares out of order',
    {
      prepared: [{ ...viewChange.prepared[0], prepares: [...certificate.signatures].reverse() }],
    },
    'WRONG_ORDER',
    'prepared[0].prepares',
  ),
  inViewChange(
    'too many certificates',
    { prepared: many(65, () => viewChange.prepared[0]) },
    'TOO_LARGE',
    'prepared',
  ),
  inNewView('no view-changes', { viewChanges: [] }, 'MISSING_FIELD', 'view_changes'),
  inNewView(
    'a gap between reproposals',
    { reproposals: [newView.reproposals[0], { ...newView.reproposals[0], height: 9 }] },
    'WRONG_ORDER',
    'reproposals',
  ),
  inMessage('no signature', { signature: undefined }, 'MISSING_FIELD', 'prepare.signature'),
  inMessage('height 0', { height: 0 }, 'MISSING_FIELD', 'prepare.height'),
];

describe('bounds', () => {
  it.each(refusals)('refuse $what as $code at "$path"', ({ outcome, code, path }) => {
    if (outcome.ok) throw new Error('accepted');
    expect({ code: outcome.error.code, path: outcome.error.path }).toEqual({ code, path });
    expect(outcome.error.details['path']).toBe(path);
  });

  it('allow the largest envelope', () => {
    const largest = {
      payload: filled(limits.maxPayloadBytes),
      signatures: many(limits.maxSignatures, (index) => key(index)),
    };
    const bytes = encodeTransactionEnvelope(largest);
    expect(bytes.length).toBeLessThanOrEqual(limits.maxEnvelopeBytes);
    expect(decodeTransactionEnvelope(bytes)).toEqual({ ok: true, value: largest });
  });

  it('allow the largest header, certificate, view-change and new-view', () => {
    const largest = {
      ...header,
      height: limits.maxHeight,
      view: limits.maxView,
      timeMs: limits.maxTimeMs,
      proposer: 63,
      transactionCount: limits.maxBlockTransactions,
    } as typeof header;
    const headerBytes = encodeBlockHeader(largest);
    expect(decodeBlockHeader(headerBytes)).toEqual({ ok: true, value: largest });
    const all = many(64, (validatorIndex) => ({
      validator: validatorIndex,
      signature: filled(64),
    })) as never;
    const full = { ...certificate, view: limits.maxView, height: limits.maxHeight, signatures: all } as never;
    expect(decodeCommitCertificate(encodeCommitCertificate(full))).toEqual({ ok: true, value: full });
    const prepared = {
      ...viewChange.prepared[0]!,
      view: limits.maxView as never,
      header: headerBytes,
      prepares: (all as unknown[]).slice(1) as never,
    };
    const change = {
      ...viewChange,
      view: limits.maxView as never,
      committed: full,
      prepared: many(64, () => prepared),
    };
    const changeBytes = encodeViewChange(change);
    expect(decodeViewChange(changeBytes).ok).toBe(true);
    const start = {
      ...newView,
      viewChanges: many(43, () => ({
        kind: 'viewChange' as const,
        viewChange: changeBytes,
        signature: filled(64) as never,
      })),
      reproposals: many(128, (index) => ({ ...newView.reproposals[0]!, height: (index + 1) as never })),
    };
    const startBytes = encodeNewView(start);
    expect(decodeNewView(startBytes).ok).toBe(true);
    const message = encodeConsensusMessage({
      kind: 'newView',
      newView: startBytes,
      signature: filled(64) as never,
    });
    expect(message.length).toBeLessThan(limits.maxPeerMessageBytes);
    expect(decodeConsensusMessage(message).ok).toBe(true);
  });
});

describe('amounts on the wire', () => {
  const balance = (text: string): Uint8Array => oracleEncode('quaestor.ledger.v1.Balance', { amount: text });

  it.each([
    ...['0', '00', '01', '+1', '-1', '1e3', '0x1', '1.0', '1,000', '1_000', ' 1', '1 ', '１', '١'],
    ...[(2n ** 128n).toString(), '9'.repeat(39), '1'.repeat(40), 'NaN', 'Infinity', '1n', '1\0'],
  ])('refuse "%s"', (text) => {
    const decoded = decodeBalance(balance(text));
    expect(decoded.ok ? decoded.value : decoded.error.code).toBe('BAD_VALUE');
  });

  it('refuse an empty one', () => {
    const absent = decodeBalance(new Uint8Array(0));
    expect(absent.ok ? absent.value : absent.error.code).toBe('MISSING_FIELD');
    const empty = decodeBalance(Uint8Array.of(0x0a, 0));
    expect(empty.ok ? empty.value : empty.error.code).toBe('BAD_VALUE');
  });

  it.each(many(39, (digits) => 10n ** BigInt(digits)).concat(2n ** 128n - 1n, 2n ** 53n + 1n))(
    'read %s exactly',
    (value) => {
      expect(decodeBalance(balance(value.toString()))).toEqual({ ok: true, value: { amount: value } });
    },
  );

  it('of a supply may be zero', () => {
    const supply = { issued: 0n, burned: 0n };
    expect(decodeSupply(encodeSupply(supply))).toEqual({ ok: true, value: supply });
  });
});

describe('text', () => {
  const named = (utf8: readonly number[]): Uint8Array =>
    Uint8Array.of(0x0a, 1, 0x45, 0x1a, 1, 0x62, 0x22, utf8.length, ...utf8);

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an over-long slash', [0xc0, 0xaf]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['the byte 0xff', [0x61, 0xff]],
  ])('refuses %s', (_what, utf8) => {
    const decoded = decodeAsset(named(utf8));
    expect(decoded.ok ? decoded.value : decoded.error.code).toBe('BAD_UTF8');
  });

  it.each(['\u{feff}mark', 'e\u0301', 'é', '\0', '𝔘', '\u{10ffff}'])('keeps %j as it is', (name) => {
    const value = { ...asset, name };
    expect(decodeAsset(encodeAsset(value))).toEqual({ ok: true, value });
  });

  it('has no bytes when it holds half of a surrogate pair', () => {
    expect(() => encodeAsset({ ...asset, name: 'a\ud800b' })).toThrow(CodecError);
    const checked = encodeChecked(encodeAsset, decodeAsset, { ...asset, name: '\udc00' });
    expect(checked.ok ? checked.value : checked.error.code).toBe('BAD_VALUE');
  });
});

describe('numbers without bytes', () => {
  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 64])('refuses to write %s', (exponent) => {
    expect(() => encodeAsset({ ...asset, exponent })).toThrow(CodecError);
  });

  it('encodes well after it refused', () => {
    expect(() => encodeAsset({ ...asset, exponent: -1 })).toThrow(CodecError);
    expect(decodeAsset(encodeAsset(asset))).toEqual({ ok: true, value: asset });
  });
});

describe('isId', () => {
  it.each([
    ['account', 'CH9300762011623852957', true],
    ['account', 'alpha:ops', true],
    ['account', '', false],
    ['account', 'a'.repeat(65), false],
    ['account', 'a b', false],
    ['account', 'ä', false],
    ['member', 'bank-alpha', true],
    ['member', '-alpha', false],
    ['member', 'Alpha', false],
    ['asset', 'EUR', true],
    ['asset', 'eur', false],
    ['validator', '_v0', true],
    ['validator', 'Ā', false],
  ] as const)('%s "%s": %s', (kind, text, expected) => {
    expect(isId(kind, text)).toBe(expected);
  });
});

it('refuses oversized input before it looks at it', () => {
  const decoded = decodeBlockHeader(new Uint8Array(bounds.maxHeaderBytes + 1));
  expect(decoded.ok ? decoded.value : decoded.error.code).toBe('TOO_LARGE');
});
