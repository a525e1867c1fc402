import { decodeFailure } from './corrupt-log.js';

/**
 * Envelopes of a block in flight as one value of the consensus log: a 4-byte big-endian length before each.
 * This form never leaves the node.
 */
export function frameBodies(envelopes: readonly Uint8Array[]): Uint8Array {
  const framed = new Uint8Array(envelopes.reduce((length, envelope) => length + 4 + envelope.length, 0));
  const view = new DataView(framed.buffer);
  let offset = 0;
  for (const envelope of envelopes) {
    view.setUint32(offset, envelope.length);
    framed.set(envelope, offset + 4);
    offset += 4 + envelope.length;
  }
  return framed;
}

/** The envelopes of `frameBodies`. Throws a QuaestorError when the value is damaged. */
export function unframeBodies(framed: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(framed.buffer, framed.byteOffset, framed.byteLength);
  const envelopes: Uint8Array[] = [];
  let offset = 0;
  while (offset < framed.length) {
    if (offset + 4 > framed.length) throw decodeFailure('bodies');
    const end = offset + 4 + view.getUint32(offset);
    if (end > framed.length) throw decodeFailure('bodies');
    envelopes.push(framed.subarray(offset + 4, end));
    offset = end;
  }
  return envelopes;
}
