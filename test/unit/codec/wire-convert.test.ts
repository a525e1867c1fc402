import { describe, expect, it } from '@jest/globals';
import { loadSync } from '@grpc/proto-loader';
import fc, { type Arbitrary } from 'fast-check';
import { fileURLToPath } from 'node:url';
import type { CodecError } from '../../../src/codec/index.js';
import { encodeTransactionEnvelope, type StateProof } from '../../../src/codec/index.js';
import * as wire from '../../../src/codec/wire-convert.js';
import { type Result } from '../../../src/types/index.js';
import * as arbitraries from '../../helpers/model-arbitraries.js';
import { certificate, filled, header, member, proof, receipt, result } from './samples.js';

const definitions = loadSync('quaestor/ledger/v1/ledger_service.proto', {
  includeDirs: [fileURLToPath(new URL('../../../proto', import.meta.url))],
  keepCase: false,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  arrays: true,
});

interface MessageType {
  serialize(value: object): Buffer;
  deserialize(bytes: Buffer): never;
}

/** What the receiver's library makes of what the sender's library sends. */
function transfer(message: string, value: object): never {
  const type = definitions[`quaestor.ledger.v1.${message}`] as unknown as MessageType;
  return type.deserialize(type.serialize(value));
}

interface Conversion {
  readonly message: string;
  readonly toWire: (value: never) => object;
  readonly fromWire: (received: never) => Result<unknown, CodecError>;
  readonly arbitrary: Arbitrary<unknown>;
}

const conversions: readonly Conversion[] = [
  {
    message: 'TransactionEnvelope',
    toWire: wire.envelopeToWire,
    fromWire: wire.envelopeFromWire,
    arbitrary: arbitraries.transactionEnvelope,
  },
  {
    message: 'BlockHeader',
    toWire: wire.headerToWire,
    fromWire: wire.headerFromWire,
    arbitrary: arbitraries.blockHeader,
  },
  {
    message: 'CommitCertificate',
    toWire: wire.certificateToWire,
    fromWire: wire.certificateFromWire,
    arbitrary: arbitraries.commitCertificate,
  },
  {
    message: 'TransactionResult',
    toWire: wire.resultToWire,
    fromWire: wire.resultFromWire,
    arbitrary: arbitraries.transactionResult,
  },
  {
    message: 'Receipt',
    toWire: wire.receiptToWire,
    fromWire: wire.receiptFromWire,
    arbitrary: arbitraries.receipt,
  },
  {
    message: 'StateProof',
    toWire: wire.stateProofToWire,
    fromWire: wire.stateProofFromWire,
    arbitrary: arbitraries.stateProof,
  },
  {
    message: 'Account',
    toWire: wire.accountToWire,
    fromWire: wire.accountFromWire,
    arbitrary: arbitraries.account,
  },
  { message: 'Asset', toWire: wire.assetToWire, fromWire: wire.assetFromWire, arbitrary: arbitraries.asset },
  {
    message: 'Member',
    toWire: wire.memberToWire,
    fromWire: wire.memberFromWire,
    arbitrary: arbitraries.member,
  },
];

describe.each(conversions)('$message', ({ message, toWire, fromWire, arbitrary }) => {
  it('comes out of the gRPC library as it went in', () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(fromWire(transfer(message, toWire(value as never)))).toEqual({ ok: true, value });
      }),
      { seed: 20260103, numRuns: 60 },
    );
  });
});

describe('what comes from the wire', () => {
  const code = (outcome: Result<unknown, CodecError>): string =>
    outcome.ok ? 'accepted' : outcome.error.code;

  it('is refused when a message that must be there is not', () => {
    expect(code(wire.certificateFromWire(null))).toBe('MISSING_FIELD');
    expect(code(wire.receiptFromWire(null))).toBe('MISSING_FIELD');
    expect(code(wire.receiptFromWire(transfer('Receipt', {})))).toBe('MISSING_FIELD');
    expect(code(wire.envelopeFromWire(transfer('TransactionEnvelope', {})))).toBe('MISSING_FIELD');
    expect(code(wire.memberFromWire(transfer('Member', { member: 'a' })))).toBe('MISSING_FIELD');
  });

  it('is refused with an enum value that is unknown or unspecified', () => {
    for (const number of [0, 99]) {
      const sent = { ...wire.resultToWire(result), code: number };
      expect(code(wire.resultFromWire(transfer('TransactionResult', sent)))).toBe('BAD_VALUE');
      const holder = { ...wire.memberToWire(member), roles: [number] };
      expect(code(wire.memberFromWire(transfer('Member', holder)))).toBe('BAD_VALUE');
    }
  });

  it('is refused with sizes, numbers and texts out of bounds', () => {
    const receive = (change: object): string =>
      code(wire.certificateFromWire(transfer('CommitCertificate', { ...certificate, ...change })));
    expect(receive({})).toBe('accepted');
    expect(receive({ digest: filled(31) })).toBe('BAD_VALUE');
    expect(receive({ view: '18446744073709551615' })).toBe('BAD_VALUE');
    expect(receive({ height: 0 })).toBe('MISSING_FIELD');
    expect(receive({ signatures: [...certificate.signatures].reverse() })).toBe('WRONG_ORDER');
    expect(code(wire.headerFromWire(transfer('BlockHeader', { ...header, version: 2 })))).toBe('BAD_VALUE');
  });

  it('is refused with text that is not UTF-8, without an exception', () => {
    const type = definitions['quaestor.ledger.v1.Asset'] as unknown as MessageType;
    for (const damage of [
      [0xed, 0xa0, 0x80],
      [0xff, 0xfe, 0xfd],
    ]) {
      const received = type.deserialize(
        Buffer.from([0x0a, 1, 0x45, 0x1a, 1, 0x62, 0x22, damage.length, ...damage]),
      );
      const outcome = wire.assetFromWire(received);
      if (outcome.ok) expect(outcome.value.name).not.toMatch(/\p{Surrogate}/u);
      else expect(['BAD_VALUE', 'BAD_UTF8']).toContain(outcome.error.code);
    }
  });

  it('keeps apart a value that is empty and one that is absent', () => {
    const receive = (sent: StateProof): StateProof => {
      const received = wire.stateProofFromWire(transfer('StateProof', wire.stateProofToWire(sent)));
      if (!received.ok) throw received.error;
      return received.value;
    };
    expect(receive({ ...proof, value: filled(0) }).value).toEqual(filled(0));
    const { value: _value, ...absent } = proof;
    expect('value' in receive(absent)).toBe(false);
  });

  it('is copied, so that it does not keep the network buffer alive', () => {
    const received = transfer('Receipt', wire.receiptToWire(receipt)) as { header: Buffer };
    const kept = wire.receiptFromWire(received as never);
    if (!kept.ok) throw kept.error;
    received.header.fill(0);
    expect(kept.value.header).toEqual(receipt.header);
  });

  it('gives the canonical bytes of an envelope', () => {
    fc.assert(
      fc.property(arbitraries.transactionEnvelope, (value) => {
        const received = transfer('TransactionEnvelope', wire.envelopeToWire(value));
        expect(wire.envelopeBytesFromWire(received)).toEqual({
          ok: true,
          value: encodeTransactionEnvelope(value),
        });
      }),
      { seed: 20260104, numRuns: 30 },
    );
  });
});
