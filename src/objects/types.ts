/**
 * The port to object storage: whole immutable objects under keys, as a folder or an S3-compatible service keeps them.
 * Knows nothing of what is in them.
 */
import { QuaestorError } from '../types/index.js';

/** Part of an object, in bytes from its start. */
export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** Behind the last byte; at most the size of the object. */
  readonly end: number;
}

/** What is known of an object without reading it. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
}

/** Content of an object. */
export type ObjectBody = Uint8Array | AsyncIterable<Uint8Array>;

/** Why object storage failed: it does not answer or has no room (try again later), it refuses the credentials or the
 * key, or something that should be there is not. */
export type ObjectStoreErrorCode = 'UNAVAILABLE' | 'DENIED' | 'BAD_KEY' | 'NOT_FOUND';

/** What the promises of an object store reject with. */
export class ObjectStoreError extends QuaestorError {
  declare readonly code: ObjectStoreErrorCode;

  constructor(
    code: ObjectStoreErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause);
  }
}

/**
 * Objects by key. A key is 1 to 512 characters of A-Z, a-z, 0-9, '.', '_', '-' and '/', of parts that are neither empty
 * nor begin with a '.'. Promises and streams reject with an ObjectStoreError. A `put` takes effect whole or not at all,
 * and is durable when it resolves.
 */
export interface ObjectStore {
  /** Where it is, for messages; without secrets. */
  readonly location: string;
  /** Writes an object, in the place of one that is there. */
  put(key: string, body: ObjectBody): Promise<void>;
  /** Content of an object or of a part of it; NOT_FOUND when there is none. */
  get(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;
  /** All objects whose keys begin with a text, in the order of their keys. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Undefined when there is no such object. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Removes an object; nothing happens when there is none. */
  delete(key: string): Promise<void>;
}

/** Throws BAD_KEY unless a key has the allowed form. */
export function checkKey(key: string): void {
  const isGood = key.length <= 512 && /^[A-Za-z0-9_-][\w.-]*(?:\/[A-Za-z0-9_-][\w.-]*)*$/.test(key);
  if (!isGood) throw new ObjectStoreError('BAD_KEY', `"${key.slice(0, 80)}" is not a key of an object.`);
}
