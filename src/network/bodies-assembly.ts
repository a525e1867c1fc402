/**
 * Answers to FetchBodies are split into parts, so that votes need not wait behind a whole block. This puts one peer's
 * parts together again. Parts of one answer follow each other, hence at most one answer is incomplete at any time. It
 * does not judge what is in them: whoever asked compares the hashes.
 */
import type { Digest, Hash } from '../types/index.js';
import { limits, toHex } from '../types/index.js';
import { encodeBodiesFrame, encodeFetchBodiesFrame } from './wire/frames.js';

export interface Bodies {
  readonly digest: Digest;
  readonly transactionHashes: readonly Hash[];
  readonly envelopes: readonly Uint8Array[];
}

/** Most requests to one peer whose answer is outstanding; the oldest are given up. */
const maxRequests = 256;
const maxAnswerBytes = limits.maxBlockBytes + limits.maxEnvelopeBytes;

interface Partial {
  readonly key: string;
  readonly digest: Digest;
  readonly transactionHashes: readonly Hash[];
  readonly expected: number;
  readonly envelopes: Uint8Array[];
  bytes: number;
}

export class BodiesAssembly {
  /** Number of hashes asked for, 0 for all, by digest. */
  readonly #requests = new Map<string, number>();
  #partial: Partial | undefined;

  /** Notes a request and gives its frame. */
  request(digest: Digest, transactionHashes: readonly Hash[]): Buffer {
    const key = toHex(digest);
    this.#requests.delete(key);
    if (this.#requests.size >= maxRequests) {
      for (const oldest of this.#requests.keys()) {
        this.#requests.delete(oldest);
        break;
      }
    }
    this.#requests.set(key, transactionHashes.length);
    return encodeFetchBodiesFrame(digest, transactionHashes);
  }

  /** Takes a part in. Returns the answers that are complete now, and those that will never be; empty while parts are
   * missing, and for what was not asked for. */
  add(part: Bodies): readonly Bodies[] {
    const key = toHex(part.digest);
    const finished: Bodies[] = [];
    if (this.#partial !== undefined && this.#partial.key !== key) finished.push(this.#finish(this.#partial));
    const partial = this.#partial ?? this.#begin(key, part);
    if (partial === undefined) return finished;
    this.#partial = partial;
    for (const envelope of part.envelopes) {
      partial.envelopes.push(envelope);
      partial.bytes += envelope.length;
    }
    const whole = partial.envelopes.length >= partial.expected || partial.bytes >= maxAnswerBytes;
    if (whole || part.envelopes.length === 0) finished.push(this.#finish(partial));
    return finished;
  }

  #begin(key: string, part: Bodies): Partial | undefined {
    const asked = this.#requests.get(key);
    if (asked === undefined) return undefined;
    return {
      key,
      digest: part.digest,
      transactionHashes: part.transactionHashes,
      expected: asked === 0 ? part.transactionHashes.length : asked,
      envelopes: [],
      bytes: 0,
    };
  }

  #finish(partial: Partial): Bodies {
    this.#partial = undefined;
    this.#requests.delete(partial.key);
    const { digest, transactionHashes, envelopes } = partial;
    return { digest, transactionHashes, envelopes };
  }
}

/** Frames of an answer, each of about `partBytes` at most. */
export function splitBodies(bodies: Bodies, partBytes: number): Buffer[] {
  const parts: Buffer[] = [];
  let hashes = bodies.transactionHashes;
  let envelopes: Uint8Array[] = [];
  let bytes = hashes.length * 34;
  for (const envelope of bodies.envelopes) {
    if (envelopes.length > 0 && bytes + envelope.length > partBytes) {
      parts.push(encodeBodiesFrame(bodies.digest, hashes, envelopes));
      hashes = [];
      envelopes = [];
      bytes = 0;
    }
    envelopes.push(envelope);
    bytes += envelope.length;
  }
  parts.push(encodeBodiesFrame(bodies.digest, hashes, envelopes));
  return parts;
}
