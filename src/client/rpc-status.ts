/**
 * google.rpc.Status with one google.rpc.ErrorInfo and, where a pause helps, one google.rpc.RetryInfo, as gRPC carries it
 * in the trailer "grpc-status-details-bin" (AIP-193). The messages are a handful of fields that will not change, so they
 * are read and written by hand.
 */

/** Trailer of the details; the "-bin" suffix makes its value bytes. */
export const statusDetailsKey = 'grpc-status-details-bin';

const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo';
const retryInfoType = 'type.googleapis.com/google.rpc.RetryInfo';
/** Longest delay that is believed: a node that says more says nothing useful. */
const maxRetryDelayMs = 60_000;
/** Larger details are not looked at: what a node sends is far below. */
const maxDetailsBytes = 16 * 1024;

/** google.rpc.ErrorInfo. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function pushVarint(out: number[], value: number): void {
  let rest = value;
  while (rest > 127) {
    out.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function pushBytes(out: number[], field: number, bytes: Uint8Array | readonly number[]): void {
  pushVarint(out, (field << 3) | 2);
  pushVarint(out, bytes.length);
  for (const byte of bytes) out.push(byte);
}

function pushText(out: number[], field: number, text: string): void {
  if (text !== '') pushBytes(out, field, encoder.encode(text));
}

/** google.protobuf.Any of a message. */
function anyOf(type: string, body: readonly number[]): number[] {
  const any: number[] = [];
  pushText(any, 1, type);
  pushBytes(any, 2, body);
  return any;
}

/** google.rpc.RetryInfo of a whole number of milliseconds. */
function retryInfo(delayMs: number): number[] {
  const duration: number[] = [];
  const seconds = Math.floor(delayMs / 1000);
  const nanos = (delayMs % 1000) * 1_000_000;
  if (seconds > 0) {
    pushVarint(duration, 1 << 3);
    pushVarint(duration, seconds);
  }
  if (nanos > 0) {
    pushVarint(duration, 2 << 3);
    pushVarint(duration, nanos);
  }
  const body: number[] = [];
  pushBytes(body, 1, duration);
  return body;
}

/** Bytes of a google.rpc.Status with the detail `info`, and a RetryInfo when a delay is given. */
export function encodeRpcStatus(
  code: number,
  message: string,
  info: ErrorInfo,
  retryDelayMs?: number,
): Uint8Array {
  const body: number[] = [];
  pushText(body, 1, info.reason);
  pushText(body, 2, info.domain);
  for (const [key, value] of Object.entries(info.metadata)) {
    const entry: number[] = [];
    pushText(entry, 1, key);
    pushText(entry, 2, value);
    pushBytes(body, 3, entry);
  }
  const out: number[] = [];
  pushVarint(out, 1 << 3);
  pushVarint(out, code);
  pushText(out, 2, message);
  pushBytes(out, 3, anyOf(errorInfoType, body));
  if (retryDelayMs !== undefined)
    pushBytes(out, 3, anyOf(retryInfoType, retryInfo(Math.max(0, Math.ceil(retryDelayMs)))));
  return Uint8Array.from(out);
}

/** The length-delimited fields of a message in order; undefined when the bytes are no message. Integers go to `integer`,
 * others are skipped. */
function fieldsOf(
  bytes: Uint8Array,
  integer: (field: number, value: number) => void = () => undefined,
): readonly (readonly [field: number, value: Uint8Array])[] | undefined {
  const fields: [number, Uint8Array][] = [];
  let offset = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = bytes[offset++];
      if (byte === undefined) return undefined;
      value += (byte & 127) * 2 ** (7 * shift);
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (offset < bytes.length) {
    const tag = varint();
    if (tag === undefined) return undefined;
    const wireType = tag & 7;
    if (wireType === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      integer(Math.floor(tag / 8), value);
    } else if (wireType === 2) {
      const length = varint();
      if (length === undefined || length > bytes.length - offset) return undefined;
      fields.push([Math.floor(tag / 8), bytes.subarray(offset, offset + length)]);
      offset += length;
    } else if (wireType === 1 || wireType === 5) {
      offset += wireType === 1 ? 8 : 4;
      if (offset > bytes.length) return undefined;
    } else {
      return undefined;
    }
  }
  return fields;
}

function textField(fields: readonly (readonly [number, Uint8Array])[], field: number): string {
  const found = fields.findLast(([number]) => number === field);
  return found === undefined ? '' : decoder.decode(found[1]);
}

/** The values of the details of a type in the bytes of a google.rpc.Status, in order. */
function detailsOf(bytes: Uint8Array, type: string): readonly Uint8Array[] {
  if (bytes.length > maxDetailsBytes) return [];
  return (fieldsOf(bytes) ?? []).flatMap(([field, value]) => {
    const any = field === 3 ? fieldsOf(value) : undefined;
    if (any === undefined || textField(any, 1) !== type) return [];
    const payload = any.findLast(([number]) => number === 2)?.[1];
    return payload === undefined ? [] : [payload];
  });
}

/** The first ErrorInfo in the bytes of a google.rpc.Status; undefined when there is none or they are damaged. */
export function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  for (const payload of detailsOf(bytes, errorInfoType)) {
    const info = fieldsOf(payload);
    if (info === undefined) continue;
    const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const [number, entry] of info) {
      if (number !== 3) continue;
      const pair = fieldsOf(entry);
      if (pair !== undefined) metadata[textField(pair, 1)] = textField(pair, 2);
    }
    return { reason: textField(info, 1), domain: textField(info, 2), metadata: { ...metadata } };
  }
  return undefined;
}

/** The delay of the first RetryInfo in the bytes of a google.rpc.Status, in milliseconds, at most a minute; undefined
 * when there is none, it is damaged or negative. */
export function decodeRetryDelayMs(bytes: Uint8Array): number | undefined {
  for (const payload of detailsOf(bytes, retryInfoType)) {
    const duration = fieldsOf(payload)?.findLast(([number]) => number === 1)?.[1];
    if (duration === undefined) continue;
    let seconds = 0;
    let nanos = 0;
    const fields = fieldsOf(duration, (field, value) => {
      if (field === 1) seconds = value;
      else if (field === 2) nanos = value;
    });
    // Negative numbers have the highest of 64 bits set.
    if (fields === undefined || seconds >= 2 ** 63 || nanos >= 1_000_000_000) continue;
    return Math.min(maxRetryDelayMs, seconds * 1000 + Math.ceil(nanos / 1_000_000));
  }
  return undefined;
}
