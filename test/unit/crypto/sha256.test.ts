import { afterEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { sha256, useSha256 } from '../../../src/crypto/index.js';
import { installNativeSha256 } from '../../../src/crypto/native/index.js';
import { concatBytes, toHex } from '../../../src/types/index.js';

/** Lengths around the block size, and around the buffer in which parts are joined. */
const lengths = [0, 1, 3, 55, 56, 63, 64, 65, 119, 128, 1000, 2047, 2048, 2049, 70_000];
const messageOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index * 7);

describe.each([
  ['portable', (): void => useSha256()],
  ['native', installNativeSha256],
])('SHA-256, %s', (_name, install) => {
  afterEach(() => useSha256());

  it('agrees with OpenSSL on all lengths, in one part and in several', () => {
    install();
    for (const length of lengths) {
      const message = messageOf(length);
      const expected = createHash('sha256').update(message).digest('hex');
      expect(toHex(sha256(message))).toBe(expected);
      const cut = Math.floor(length / 3);
      expect(
        toHex(sha256(message.subarray(0, cut), message.subarray(cut, 2 * cut), message.subarray(2 * cut))),
      ).toBe(expected);
    }
    expect(toHex(sha256())).toBe(createHash('sha256').digest('hex'));
  });

  it('gives results that later calls leave alone', () => {
    install();
    const first = sha256(messageOf(10), messageOf(20));
    const copy = Uint8Array.from(first);
    sha256(messageOf(11), messageOf(21));
    sha256(messageOf(64));
    expect(first).toEqual(copy);
  });

  it('hashes a view into a larger buffer', () => {
    install();
    const whole = messageOf(100);
    expect(sha256(whole.subarray(10, 50))).toEqual(sha256(Uint8Array.from(whole.subarray(10, 50))));
    expect(sha256(concatBytes(whole, whole))).toEqual(sha256(whole, whole));
  });
});
