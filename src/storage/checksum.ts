import zlib from 'node:zlib';

/** CRC-32 by table (polynomial 0xEDB88320, reflected), as in zlib and IEEE 802.3. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** Node.js has it since 20.15 only. */
const native = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

/** Below so many bytes the loop is quicker than the call. */
const nativeFromBytes = 96;

/**
 * CRC-32 of `bytes[start, end)`, continued from `seed`, the checksum of what goes before. It finds faults of disks and
 * software, not attacks: those are for signatures and the roots in the headers.
 */
export function crc32(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  if (native !== undefined && end - start >= nativeFromBytes)
    return native(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), seed);
  let value = ~seed;
  for (let index = start; index < end; index++)
    value = (table[(value ^ (bytes[index] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  return ~value >>> 0;
}
