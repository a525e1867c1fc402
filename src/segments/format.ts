/** The bytes of a segment around its blocks (docs/segments.md). Numbers are big-endian. */
import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import { toHex, type Hash } from '../types/index.js';
import { SegmentError } from './errors.js';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** First bytes of a segment; the last one is the version. */
export const segmentMagic = ascii('QSTRSEG1');
/** Last bytes of a segment. */
export const endMagic = ascii('QSTREND1');
/** Length of the index, and the last bytes. */
export const trailerBytes = 4 + endMagic.length;
/** Before each block in a frame: its length. */
export const blockPrefixBytes = 4;

/** Key of the manifest in object storage. */
export const manifestKey = 'manifest';
/** Key of a segment in object storage. */
export const segmentKey = (contentHash: Hash): string => `segments/${toHex(contentHash)}`;

const deflateAsync = promisify(deflate) as (
  bytes: Uint8Array,
  options: { readonly level: number },
) => Promise<Buffer>;

/** A frame in the zlib format (RFC 1950). */
export async function compressFrame(bytes: Uint8Array): Promise<Uint8Array> {
  const compressed = await deflateAsync(bytes, { level: 6 });
  return new Uint8Array(compressed.buffer, compressed.byteOffset, compressed.length);
}

/** The bytes of a frame, exactly so many; no more are made room for. Rejects with MALFORMED. */
export function decompressFrame(compressed: Uint8Array, bytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (what: string, cause?: unknown): void =>
      reject(new SegmentError('MALFORMED', `A frame of the segment ${what}.`, {}, cause));
    // One byte more than there may be shows that there are too many.
    inflate(compressed, { maxOutputLength: bytes + 1, info: true }, (error, result) => {
      if (error !== null) {
        fail('can not be decompressed, or has more bytes than its index says', error);
        return;
      }
      const { buffer, engine } = result as unknown as {
        readonly buffer: Buffer;
        readonly engine: { readonly bytesWritten: number };
      };
      if (buffer.length !== bytes) fail(`has other than the ${bytes} bytes that its index says`);
      else if (engine.bytesWritten !== compressed.length) fail('has bytes behind its end');
      else resolve(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length));
    });
  });
}
