/** Canonical bytes taken apart into fields, so that tests can put them together in forbidden ways. */
import { concatBytes } from '../../../src/types/index.js';
import { protoRoot } from '../../helpers/protobuf-oracle.js';

/** A field as it is on the wire: `value` is what follows the tag, the length included; or nested fields. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly value: Uint8Array;
  readonly nested?: WireMessage;
  /** Written as it is, tag included, in place of everything else. */
  readonly verbatim?: Uint8Array;
}
export interface WireMessage {
  readonly type: string;
  readonly fields: readonly WireField[];
}

export function varint(value: number, extraBytes = 0): Uint8Array {
  const out: number[] = [];
  let rest = value;
  do {
    out.push(rest % 128);
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  for (let extra = 0; extra < extraBytes; extra++) out.push(0);
  return Uint8Array.from(out, (byte, index) => (index < out.length - 1 ? byte | 0x80 : byte));
}

function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  let next = at;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[next++]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next };
  }
}

/** Takes canonical bytes of a message apart. */
export function parse(type: string, bytes: Uint8Array): WireMessage {
  const fields: WireField[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at);
    const number = Math.floor(tag.value / 8);
    const wireType = tag.value % 8;
    const first = readVarint(bytes, tag.next);
    const end = wireType === 0 ? first.next : first.next + first.value;
    const resolved = protoRoot.lookupType(type).fieldsById[number]!.resolve().resolvedType;
    fields.push({
      number,
      wireType,
      value: bytes.slice(tag.next, end),
      ...(resolved !== null &&
        'fieldsArray' in resolved && {
          nested: parse(resolved.fullName.slice(1), bytes.slice(first.next, end)),
        }),
    });
    at = end;
  }
  return { type, fields };
}

/** Puts a message together; lengths follow from the content. */
export function serialize(message: WireMessage): Uint8Array {
  return concatBytes(...message.fields.map(serializeField));
}

export function serializeField(field: WireField): Uint8Array {
  if (field.verbatim !== undefined) return field.verbatim;
  const tag = varint(field.number * 8 + field.wireType);
  if (field.nested === undefined) return concatBytes(tag, field.value);
  const content = serialize(field.nested);
  return concatBytes(tag, varint(content.length), content);
}

/** A change at one place: the message with its fields replaced by others. */
export interface Mutant {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** Applies `change` to the fields of the message and of every message nested in it, one at a time. */
export function mutate(
  message: WireMessage,
  change: (message: WireMessage) => readonly { what: string; fields: readonly WireField[] }[],
): Mutant[] {
  const here = change(message).map(({ what, fields }) => ({
    what: `${message.type}: ${what}`,
    bytes: serialize({ ...message, fields }),
  }));
  const below = message.fields.flatMap((field, index) =>
    field.nested === undefined
      ? []
      : mutate(field.nested, change).map(({ what, bytes }) => ({
          what,
          bytes: serialize({
            ...message,
            fields: message.fields.with(index, {
              number: field.number,
              wireType: field.wireType,
              value: concatBytes(varint(bytes.length), bytes),
            }),
          }),
        })),
  );
  return [...here, ...below];
}
