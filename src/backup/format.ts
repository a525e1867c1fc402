/** Where a backup is in object storage, and the bytes of its objects (docs/backup.md). */
import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import { toHex, type ChainId, type Hash } from '../types/index.js';

/** Keys of manifests begin so. */
export const backupPrefix = 'backups/';
/** Keys of parts of a state begin so; the SHA-256 of the canonical part follows. */
export const statePrefix = 'state/';
/** Keys of segments of blocks begin so (src/segments). */
export const segmentPrefix = 'segments/';

export const backupKey = (id: string): string => `${backupPrefix}${id}`;
export const statePartKey = (contentHash: Hash): string => `${statePrefix}${toHex(contentHash)}`;
export const genesisKey = (chainId: ChainId): string => `genesis/${toHex(chainId)}.yaml`;

const heightDigits = 15;

/** Name of a backup: height and time, so that names sort by both. */
export function backupIdOf(height: number, createdMs: number): string {
  const time = new Date(createdMs).toISOString().replace(/[-:.]/g, '');
  return `${String(height).padStart(heightDigits, '0')}-${time}`;
}

/** When a backup was begun, in milliseconds since 1970. */
export function backupTimeOf(id: string): number {
  const [, date = '', time = '', ms = ''] = /-(\d{8})T(\d{6})(\d{3})Z$/.exec(id) ?? [];
  const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
  return Date.parse(`${day}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}.${ms}Z`);
}

/** Whether a text can be the name of a backup. */
export const isBackupId = (text: string): boolean => /^\d{15}-\d{8}T\d{9}Z$/.test(text);

const deflateAsync = promisify(deflate) as (
  bytes: Uint8Array,
  options: { readonly level: number },
) => Promise<Buffer>;
const inflateAsync = promisify(inflate) as (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Buffer>;

/** An object as it is stored: in the zlib format (RFC 1950). */
export async function pack(bytes: Uint8Array): Promise<Uint8Array> {
  // State is hashes and numbers for the most part: more effort gains little.
  const packed = await deflateAsync(bytes, { level: 3 });
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
}

/** Exactly so many bytes of an object, or undefined; room is made for no more. */
export async function unpack(packed: Uint8Array, bytes: number): Promise<Uint8Array | undefined> {
  try {
    const found = await inflateAsync(packed, { maxOutputLength: bytes + 1 });
    if (found.length !== bytes) return undefined;
    return new Uint8Array(found.buffer, found.byteOffset, found.length);
  } catch {
    return undefined;
  }
}
