/**
 * Who an envelope says it is from, without decoding it: in canonical bytes the payload is the envelope's first field
 * and the sender the payload's first, so the bytes begin in one way only. A node decodes strictly afterwards, and
 * refuses bytes in which a later field could say otherwise.
 */
const lengthDelimitedField1 = 0x0a;
const encoder = new TextEncoder();

/** Offset after a varint of at most five bytes, or -1. */
function skipVarint(bytes: Uint8Array, offset: number): number {
  for (let index = offset; index < offset + 5; index++) {
    const byte = bytes[index];
    if (byte === undefined) return -1;
    if (byte < 0x80) return index + 1;
  }
  return -1;
}

/** How the payloads of a member's transactions begin. Ids are at most 64 bytes, so the length is one byte. */
export function senderPrefix(member: string): Uint8Array {
  const id = encoder.encode(member);
  return Uint8Array.of(lengthDelimitedField1, id.length, ...id);
}

/** `same`: the envelope's payload begins with the prefix. `other`: it names another sender. `malformed`: neither. */
export function compareSender(envelope: Uint8Array, prefix: Uint8Array): 'same' | 'other' | 'malformed' {
  if (envelope[0] !== lengthDelimitedField1) return 'malformed';
  const payload = skipVarint(envelope, 1);
  if (payload < 0 || envelope[payload] !== lengthDelimitedField1) return 'malformed';
  for (let index = 1; index < prefix.length; index++) {
    if (envelope[payload + index] !== prefix[index]) return 'other';
  }
  return 'same';
}
