/**
 * Changes to protobuf messages that keep them nearly right: fields are dropped, repeated, reordered, replaced by those of
 * other messages or by extreme values, at any depth, with lengths made right again; then, sometimes, plain damage.
 */
import { concatBytes } from '../../src/types/index.js';
import type { Prng } from '../helpers/prng.js';

interface Field {
  number: number;
  wireType: number;
  /** Content as it stands: of a varint its bytes, of a length-delimited field what is behind the length. */
  content: Uint8Array;
  /** The content read as a message, when it can be. */
  nested: Field[] | undefined;
}

const maxDepth = 6;

function varint(value: bigint, width = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(Number(rest & 127n));
    rest >>= 7n;
  } while (rest > 0n || bytes.length < width);
  return Uint8Array.from(bytes, (byte, index) => (index + 1 < bytes.length ? byte | 128 : byte));
}

function parse(bytes: Uint8Array, depth = 0): Field[] | undefined {
  const fields: Field[] = [];
  let offset = 0;
  const readVarint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset++];
      if (byte === undefined) return undefined;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (offset < bytes.length) {
    const tag = readVarint();
    if (tag === undefined || tag < 8n || tag > 0x7fn) return undefined;
    const [number, wireType] = [Number(tag >> 3n), Number(tag & 7n)];
    if (wireType === 0) {
      const start = offset;
      if (readVarint() === undefined) return undefined;
      fields.push({ number, wireType, content: bytes.slice(start, offset), nested: undefined });
    } else if (wireType === 2) {
      const length = readVarint();
      if (length === undefined || length > BigInt(bytes.length - offset)) return undefined;
      const content = bytes.slice(offset, offset + Number(length));
      offset += Number(length);
      const nested = depth < maxDepth && content.length > 0 ? parse(content, depth + 1) : undefined;
      fields.push({ number, wireType, content, nested });
    } else return undefined;
  }
  return fields;
}

function render(fields: readonly Field[]): Uint8Array {
  return concatBytes(
    ...fields.flatMap(({ number, wireType, content, nested }) => {
      const tag = varint(BigInt((number << 3) | wireType));
      const body = nested === undefined ? content : render(nested);
      return wireType === 2 ? [tag, varint(BigInt(body.length)), body] : [tag, body];
    }),
  );
}

/** Every list of fields in a message, its own first. */
function listsOf(fields: Field[]): Field[][] {
  return [fields, ...fields.flatMap(({ nested }) => (nested === undefined ? [] : listsOf(nested)))];
}

const integers = [
  0n,
  1n,
  127n,
  128n,
  255n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 48n - 1n,
  2n ** 48n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

function changeField(random: Prng, field: Field): void {
  if (field.wireType === 0) {
    // Also one that is written longer than need be.
    field.content = varint(random.pick(integers), random.chance(0.2) ? 2 + random.below(9) : 0);
    return;
  }
  const { content } = field;
  field.nested = undefined;
  switch (random.below(6)) {
    case 0:
      field.content = new Uint8Array(0);
      return;
    case 1:
      field.content = content.slice(0, random.below(content.length + 1));
      return;
    case 2:
      field.content = concatBytes(content, content).slice(
        0,
        content.length + 1 + random.below(content.length + 1),
      );
      return;
    case 3:
      field.content = new Uint8Array(random.pick([1, 31, 32, 33, 63, 64, 65, 300, 5000])).fill(
        random.below(256),
      );
      return;
    case 4:
      field.content = damaged(random, content);
      return;
    default:
      // The same message inside itself.
      field.content = concatBytes(
        varint(BigInt((field.number << 3) | 2)),
        varint(BigInt(content.length)),
        content,
      );
  }
}

function changeList(random: Prng, list: Field[], others: readonly Field[]): void {
  const at = random.below(list.length);
  const field = list[at];
  switch (random.below(7)) {
    case 0:
      list.splice(at, 1);
      return;
    case 1:
      if (field !== undefined)
        list.splice(at, 0, ...Array.from({ length: 1 + random.below(40) }, () => field));
      return;
    case 2: {
      const to = random.below(list.length);
      const other = list[to];
      if (field !== undefined && other !== undefined) [list[at], list[to]] = [other, field];
      return;
    }
    case 3:
      if (field !== undefined) field.number = 1 + random.below(15);
      return;
    case 4:
      if (others.length > 0) list.splice(at, random.below(2), structuredClone(random.pick(others)));
      return;
    default:
      if (field !== undefined) changeField(random, field);
  }
}

/** Bytes with damage that knows no structure. */
export function damaged(random: Prng, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(5)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return concatBytes(bytes, new Uint8Array(1 + random.below(20)).fill(random.below(256)));
    case 2:
      return concatBytes(bytes.slice(0, at), Uint8Array.of(random.below(256)), bytes.slice(at));
    case 3:
      return concatBytes(bytes.slice(0, at), bytes.slice(at + 1 + random.below(8)));
    default: {
      const changed = bytes.slice();
      for (let count = 1 + random.below(4); count > 0 && changed.length > 0; count--) {
        const index = random.below(changed.length);
        changed[index] = random.chance(0.5)
          ? random.below(256)
          : (changed[index] ?? 0) ^ (1 << random.below(8));
      }
      return changed;
    }
  }
}

/** A mutant of one of the samples. */
export function mutateBytes(random: Prng, samples: readonly Uint8Array[], maxBytes: number): Uint8Array {
  const fields = parse(random.pick(samples));
  let bytes: Uint8Array;
  if (fields === undefined || fields.length === 0) bytes = random.pick(samples);
  else {
    const others = parse(random.pick(samples)) ?? [];
    const pool = listsOf(others).flat();
    for (let count = 1 + random.below(4); count > 0; count--) {
      const lists = listsOf(fields).filter(({ length }) => length > 0);
      if (lists.length > 0) changeList(random, random.pick(lists), pool);
    }
    bytes = render(fields);
  }
  if (fields === undefined || random.chance(0.15)) bytes = damaged(random, bytes);
  return bytes.slice(0, maxBytes);
}
