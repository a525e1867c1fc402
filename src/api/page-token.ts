/**
 * Page tokens (AIP-158): opaque to clients, good on every validator, bound to the arguments of the first request and to
 * the height that is read. They hold no secret and give no right: a forged one asks for another page at most.
 */
import { sha256 } from '../crypto/index.js';
import { asHeight, concatBytes, equalBytes, limits, type Height } from '../types/index.js';
import { ApiError } from './errors.js';

const version = 1;
const checkBytes = 8;
const headBytes = 1 + 6 + checkBytes;
const maxTokenLength = 512;
const encoder = new TextEncoder();

export interface PagePosition {
  /** Height that all pages are read at. */
  readonly height: Height;
  /** Where the next page starts: for the method to interpret, and to check. */
  readonly cursor: string;
}

/** Ties height and cursor to the arguments, so that a change of either is noticed. */
function checkOf(scope: readonly string[], body: Uint8Array): Uint8Array {
  return sha256(encoder.encode(`${JSON.stringify(scope)}\n`), body).subarray(0, checkBytes);
}

/** Token of a position. `scope`: the method and those arguments that must stay the same. */
export function encodePageToken(scope: readonly string[], { height, cursor }: PagePosition): string {
  const body = concatBytes(new Uint8Array(6), encoder.encode(cursor));
  for (let index = 5, rest: number = height; index >= 0; index--) {
    body[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return Buffer.from(concatBytes(Uint8Array.of(version), checkOf(scope, body), body)).toString('base64url');
}

/** Position of a token; throws PAGE_TOKEN_INVALID when it is damaged or of other arguments. */
export function decodePageToken(scope: readonly string[], token: string): PagePosition {
  const refuse = (): ApiError =>
    new ApiError(
      'PAGE_TOKEN_INVALID',
      'The page token is damaged or belongs to other arguments; start again without a token.',
      { field: 'page_token' },
    );
  if (token.length > maxTokenLength) throw refuse();
  const bytes = new Uint8Array(Buffer.from(token, 'base64url'));
  if (bytes.length < headBytes || bytes[0] !== version) throw refuse();
  const body = bytes.subarray(1 + checkBytes);
  if (!equalBytes(bytes.subarray(1, 1 + checkBytes), checkOf(scope, body))) throw refuse();
  let height = 0;
  for (const byte of body.subarray(0, 6)) height = height * 256 + byte;
  if (height > limits.maxHeight) throw refuse();
  return { height: asHeight(height), cursor: Buffer.from(body.subarray(6)).toString('utf8') };
}

/** Number of items for a page: 0 means the default; larger than the most means the most. Refuses negative numbers. */
export function pageSizeOf(requested: number, defaultSize = 100, maxSize = 1000): number {
  if (requested < 0) {
    throw new ApiError('INVALID_FIELD', 'page_size: it must not be negative.', { field: 'page_size' });
  }
  return requested === 0 ? defaultSize : Math.min(requested, maxSize);
}
