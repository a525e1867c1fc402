import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes, equalBytes } from '../../../src/types/index.js';
import { protoRoot } from '../../helpers/protobuf-oracle.js';
import { messages } from './messages.js';
import { mutate, parse, serializeField, varint, type WireField, type WireMessage } from './wire-tree.js';

const seed = 20260102;
const samplesPerMessage = 4;

/** `extra` where its number belongs, behind those of the same number. */
const inserted = (message: WireMessage, extra: WireField): readonly WireField[] => {
  const at = message.fields.findLastIndex((field) => field.number <= extra.number);
  return message.fields.toSpliced(at + 1, 0, extra);
};

const raw = (number: number, wireType: number, value: Uint8Array): WireField => ({ number, wireType, value });
const one = Uint8Array.of(1);

/** Bytes in place of a field. */
const verbatim = (...parts: readonly Uint8Array[]): WireField => ({
  ...raw(1, 0, one),
  verbatim: concatBytes(...parts),
});

describe.each(messages)('$name', ({ name, encode, decode, arbitrary }) => {
  const samples = fc
    .sample(arbitrary, { seed, numRuns: samplesPerMessage })
    .map((value) => parse(name, encode(value)));

  const expectRefused = (
    change: (message: WireMessage) => readonly { what: string; fields: readonly WireField[] }[],
    codes: readonly string[],
  ): void => {
    for (const mutant of samples.flatMap((sample) => mutate(sample, change))) {
      const decoded = decode(mutant.bytes);
      if (decoded.ok) throw new Error(`accepted: ${mutant.what}`);
      if (!codes.includes(decoded.error.code))
        throw new Error(`${mutant.what} is refused as ${decoded.error.code}: ${decoded.error.message}`);
    }
  };

  it('refuses unknown fields, wherever they are', () => {
    expectRefused(
      (message) =>
        [9, 15, 16, 1000, 536_870_911]
          .filter((number) => protoRoot.lookupType(message.type).fieldsById[number] === undefined)
          .flatMap((number) => [
            { what: `unknown varint ${number}`, fields: [...message.fields, raw(number, 0, one)] },
            {
              what: `unknown bytes ${number}`,
              fields: [...message.fields, raw(number, 2, Uint8Array.of(0))],
            },
            { what: `unknown first ${number}`, fields: [raw(number, 0, one), ...message.fields] },
          ]),
      ['UNKNOWN_FIELD'],
    );
  });

  it('refuses a known field of another wire type, groups and fixed-size numbers included', () => {
    expectRefused(
      (message) =>
        message.fields.flatMap((field, index) =>
          [0, 1, 2, 3, 4, 5]
            .filter((wireType) => wireType !== field.wireType)
            .map((wireType) => ({
              what: `field ${field.number} as wire type ${wireType}`,
              fields: message.fields.with(index, raw(field.number, wireType, new Uint8Array(8))),
            })),
        ),
      ['WRONG_TYPE'],
    );
  });

  it('refuses a singular field twice, and two fields of a oneof', () => {
    expectRefused(
      (message) => {
        const type = protoRoot.lookupType(message.type);
        return message.fields
          .filter((field) => !type.fieldsById[field.number]!.repeated || field.wireType === 0)
          .map((field) => ({ what: `field ${field.number} twice`, fields: inserted(message, field) }))
          .concat(
            message.fields
              .filter(
                (field) => type.fieldsById[field.number]!.partOf !== null && type.oneofsArray.length > 0,
              )
              .filter((field) => type.fieldsById[field.number]!.options?.['proto3_optional'] !== true)
              .flatMap((field) =>
                type.fieldsArray
                  .filter((other) => other.id !== field.number)
                  .map((other) => ({
                    what: `fields ${field.number} and ${other.id} of a oneof`,
                    fields: inserted(message, raw(other.id, 2, Uint8Array.of(0))),
                  })),
              ),
          );
      },
      ['WRONG_ORDER', 'MISSING_FIELD'],
    );
  });

  it('refuses fields that are not in the order of their numbers', () => {
    expectRefused(
      (message) =>
        message.fields.slice(1).flatMap((field, index) => {
          const previous = message.fields[index]!;
          if (previous.number === field.number) return [];
          return [
            {
              what: `field ${field.number} before ${previous.number}`,
              fields: message.fields.with(index, field).with(index + 1, previous),
            },
          ];
        }),
      ['WRONG_ORDER', 'MISSING_FIELD'],
    );
  });

  it('refuses numbers, tags and lengths in more bytes than they need', () => {
    expectRefused(
      (message) => {
        return message.fields.flatMap((field, index) => {
          const bytes = serializeField(field);
          const tag = field.number * 8 + field.wireType;
          const first = bytes.subarray(1).findIndex((byte) => byte < 0x80);
          const number = bytes.slice(1, first + 2);
          number[number.length - 1]! |= 0x80;
          const rest = bytes.subarray(first + 2);
          const with0 = (...parts: Uint8Array[]): readonly WireField[] =>
            message.fields.with(index, verbatim(...parts));
          return [
            { what: `long tag of ${field.number}`, fields: with0(varint(tag, 1), bytes.subarray(1)) },
            {
              what: `long number of ${field.number}`,
              fields: with0(varint(tag), number, Uint8Array.of(0), rest),
            },
            {
              what: `endless number of ${field.number}`,
              fields: with0(varint(tag), number, new Uint8Array(10).fill(0x80), Uint8Array.of(0), rest),
            },
          ];
        });
      },
      ['NOT_CANONICAL'],
    );
  });

  it('refuses default values that are written out', () => {
    expectRefused(
      (message) => {
        const present = new Set(message.fields.map((field) => field.number));
        return protoRoot
          .lookupType(message.type)
          .fieldsArray.filter((field) => field.partOf === null && !present.has(field.id))
          .filter((field) => !field.repeated || field.type.endsWith('Role'))
          .filter((field) => !('fieldsArray' in (field.resolve().resolvedType ?? {})))
          .map((field) => ({
            what: `default of ${field.name}`,
            fields: inserted(
              message,
              raw(
                field.id,
                field.repeated || ['string', 'bytes'].includes(field.type) ? 2 : 0,
                Uint8Array.of(0),
              ),
            ),
          }));
      },
      ['NOT_CANONICAL'],
    );
  });

  it('refuses every cut that is not itself canonical, and says where', () => {
    for (const value of fc.sample(arbitrary, { seed, numRuns: 2 })) {
      const bytes = encode(value);
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const decoded = decode(cut);
        if (decoded.ok) expect(encode(decoded.value)).toEqual(cut);
        else {
          expect(['TRUNCATED', 'MISSING_FIELD', 'BAD_VALUE']).toContain(decoded.error.code);
          expect(decoded.error.offset).toBeLessThanOrEqual(length);
        }
      }
    }
  });

  it('refuses bytes behind its end', () => {
    for (const value of fc.sample(arbitrary, { seed, numRuns: 3 })) {
      for (const tail of [0, 1, 0x7f, 0xff]) {
        expect(decode(concatBytes(encode(value), Uint8Array.of(tail))).ok).toBe(false);
      }
    }
  });

  it('answers random damage with a result, never with another value of the same bytes', () => {
    const damage = fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        kind: fc.constantFrom('flip', 'set', 'insert', 'remove', 'copy'),
        byte: fc.integer({ min: 0, max: 255 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(arbitrary, damage, (value, changes) => {
        let bytes = [...encode(value)];
        for (const { at, kind, byte } of changes) {
          const index = Math.floor(at * bytes.length);
          if (kind === 'flip') bytes[index] = (bytes[index] ?? 0) ^ (1 << (byte & 7));
          if (kind === 'set') bytes[index] = byte;
          if (kind === 'insert') bytes.splice(index, 0, byte);
          if (kind === 'remove') bytes.splice(index, 1 + (byte & 3));
          if (kind === 'copy') bytes = [...bytes.slice(0, index), ...bytes.slice(byte % (index + 1))];
        }
        const damaged = Uint8Array.from(bytes);
        const decoded = decode(damaged);
        if (decoded.ok) expect(equalBytes(encode(decoded.value), damaged)).toBe(true);
        else expect(decoded.error.message).toMatch(/ \(at byte \d+\) .+\.$/);
      }),
      { seed, numRuns: 100 },
    );
  });
});
