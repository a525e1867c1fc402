/**
 * google.rpc.Status with one google.rpc.ErrorInfo, as gRPC carries it in the trailer "grpc-status-details-bin"
 * (AIP-193). The two messages are a handful of fields that will not change, so they are read and written by hand.
 */

/** Trailer of the details; the "-bin" suffix makes its value bytes. */
export const statusDetailsKey = 'grpc-status-details-bin';

const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo';
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

/** Bytes of a google.rpc.Status whose only detail is `info`. */
export function encodeRpcStatus(code: number, message: string, info: ErrorInfo): Uint8Array {
  const body: number[] = [];
  pushText(body, 1, info.reason);
  pushText(body, 2, info.domain);
  for (const [key, value] of Object.entries(info.metadata)) {
    const entry: number[] = [];
    pushText(entry, 1, key);
    pushText(entry, 2, value);
    pushBytes(body, 3, entry);
  }
  const any: number[] = [];
  pushText(any, 1, errorInfoType);
  pushBytes(any, 2, body);
  const out: number[] = [];
  pushVarint(out, 1 << 3);
  pushVarint(out, code);
  pushText(out, 2, message);
  pushBytes(out, 3, any);
  return Uint8Array.from(out);
}

/** The length-delimited fields of a message in order; undefined when the bytes are no message. Others are skipped. */
function fieldsOf(bytes: Uint8Array): readonly (readonly [field: number, value: Uint8Array])[] | undefined {
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
      if (varint() === undefined) return undefined;
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

/** The first ErrorInfo in the bytes of a google.rpc.Status; undefined when there is none or they are damaged. */
export function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  if (bytes.length > maxDetailsBytes) return undefined;
  const details = fieldsOf(bytes);
  if (details === undefined) return undefined;
  for (const [field, value] of details) {
    if (field !== 3) continue;
    const any = fieldsOf(value);
    if (any === undefined || textField(any, 1) !== errorInfoType) continue;
    const payload = any.findLast(([number]) => number === 2)?.[1];
    const info = payload === undefined ? undefined : fieldsOf(payload);
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
