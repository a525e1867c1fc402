/**
 * File descriptors for gRPC reflection. The loader that makes them names the entry type of a map field like the field;
 * the protobuf compiler, and clients that check it (grpcurl), say FieldNameEntry. This puts the names right.
 * Field numbers are those of google/protobuf/descriptor.proto.
 */
const messageTypes = 4;
const messageName = 1;
const messageFields = 2;
const nestedTypes = 3;
const messageOptions = 7;
const optionMapEntry = 7;
const fieldTypeName = 6;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A field of a message: `bytes` for length-delimited ones, else the whole field as it was. */
interface Part {
  readonly field: number;
  readonly bytes: Uint8Array | undefined;
  readonly raw: Uint8Array;
}

function readVarint(bytes: Uint8Array, offset: number): readonly [value: number, next: number] {
  let value = 0;
  for (let index = 0; ; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined || index > 9) throw new RangeError('the descriptor is damaged');
    value += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return [value, offset + index + 1];
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
}

function partsOf(message: Uint8Array): Part[] {
  const parts: Part[] = [];
  for (let offset = 0; offset < message.length;) {
    const start = offset;
    const [tag, afterTag] = readVarint(message, offset);
    let bytes: Uint8Array | undefined;
    const wireType = tag & 7;
    if (wireType === 2) {
      const [length, from] = readVarint(message, afterTag);
      bytes = message.subarray(from, from + length);
      offset = from + length;
    } else if (wireType === 0) [, offset] = readVarint(message, afterTag);
    else offset = afterTag + (wireType === 1 ? 8 : 4);
    parts.push({ field: tag >>> 3, bytes, raw: message.subarray(start, offset) });
  }
  return parts;
}

/** The message with some of its length-delimited fields replaced. */
function rewrite(message: Uint8Array, replace: (field: number, bytes: Uint8Array) => Uint8Array): Uint8Array {
  const out: number[] = [];
  for (const { field, bytes, raw } of partsOf(message)) {
    const replaced = bytes === undefined ? undefined : replace(field, bytes);
    if (replaced === undefined || replaced === bytes) out.push(...raw);
    else out.push(...varint((field << 3) | 2), ...varint(replaced.length), ...replaced);
  }
  return Uint8Array.from(out);
}

function textOf(message: Uint8Array, field: number): string | undefined {
  const found = partsOf(message).find((part) => part.field === field)?.bytes;
  return found === undefined ? undefined : decoder.decode(found);
}

function isMapEntry(message: Uint8Array): boolean {
  const options = partsOf(message).find(({ field }) => field === messageOptions)?.bytes;
  return (
    options !== undefined &&
    partsOf(options).some(({ field, raw }) => field === optionMapEntry && raw.at(-1) === 1)
  );
}

/** "foo_bar" or "Foo_bar" as FooBarEntry. */
function entryName(name: string): string {
  const camel = name.replace(/(?:^|_)([a-z0-9])/gi, (_, first: string) => first.toUpperCase());
  return camel.endsWith('Entry') ? camel : `${camel}Entry`;
}

function repairMessage(message: Uint8Array): Uint8Array {
  const entries = new Set(
    partsOf(message).flatMap(({ field, bytes }) =>
      field === nestedTypes && bytes !== undefined && isMapEntry(bytes)
        ? [textOf(bytes, messageName) ?? '']
        : [],
    ),
  );
  const renamed = (name: Uint8Array): Uint8Array => encoder.encode(entryName(decoder.decode(name)));
  return rewrite(message, (field, bytes) => {
    if (field === nestedTypes) {
      if (!isMapEntry(bytes)) return repairMessage(bytes);
      return rewrite(bytes, (inner, value) => (inner === messageName ? renamed(value) : value));
    }
    if (field === messageFields && entries.has(textOf(bytes, fieldTypeName) ?? '\0')) {
      return rewrite(bytes, (inner, value) => (inner === fieldTypeName ? renamed(value) : value));
    }
    return bytes;
  });
}

/** Bytes of a FileDescriptorProto with the entry types of its map fields named as the compiler does. */
export function repairMapEntries(file: Uint8Array): Uint8Array {
  return rewrite(file, (field, bytes) => (field === messageTypes ? repairMessage(bytes) : bytes));
}
