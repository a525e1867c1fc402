import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PackedCache } from '../../../src/storage/packed-cache.js';

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe('PackedCache', () => {
  it('gives what was set last, or says that it knows nothing: never anything older', () => {
    const action = fc.record({
      key: fc.nat({ max: 400 }),
      kind: fc.constantFrom('set', 'set', 'set', 'absent', 'get', 'get'),
      length: fc.oneof(fc.nat({ max: 80 }), fc.nat({ max: 5000 })),
      fill: fc.nat({ max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(action, { minLength: 300, maxLength: 2000 }), (actions) => {
        const cache = new PackedCache(0, 7);
        const model = new Map<string, Uint8Array | null>();
        let hits = 0;
        for (const { key: number, kind, length, fill } of actions) {
          const key = `key/${'x'.repeat(number % 30)}${number}`;
          if (kind === 'get') {
            const found = cache.get(key);
            if (found !== undefined) {
              hits++;
              expect(found).toEqual(model.get(key));
            }
          } else {
            const value = kind === 'absent' ? null : bytes(length, fill);
            cache.set(key, value);
            model.set(key, value);
            // What was set just now is there, unless it is too large.
            expect(cache.get(key) !== undefined).toBe(length <= 4096 || value === null);
          }
        }
        return hits > 0 || actions.length > 0;
      }),
      { seed: 20261124, numRuns: 60 },
    );
  });

  it('keeps all that fits, and lets the oldest go when more comes', () => {
    const cache = new PackedCache(1024 * 1024, 7);
    const count = 8000;
    for (let number = 0; number < count; number++) cache.set(`account/${number}`, bytes(80, number));
    for (let number = 0; number < count; number++) {
      expect(cache.get(`account/${number}`)).toEqual(bytes(80, number));
    }
    for (let number = count; number < 5 * count; number++) cache.set(`account/${number}`, bytes(80, number));
    expect(cache.get('account/0')).toBeUndefined();
    expect(cache.get(`account/${5 * count - 1}`)).toEqual(bytes(80, 5 * count - 1));
    expect(cache.size).toBeLessThan(12_000);
    expect(cache.size).toBeGreaterThan(7000);
  });

  it('takes no more room for values that are replaced by others of the same length', () => {
    const cache = new PackedCache(0, 7);
    cache.set('first', bytes(100, 1));
    for (let number = 0; number < 10_000; number++) cache.set('second', bytes(100, number));
    expect(cache.get('first')).toEqual(bytes(100, 1));
    expect(cache.get('second')).toEqual(bytes(100, 9999));
  });

  it('tells keys apart by all their units, and takes none that is not Latin or too long', () => {
    const cache = new PackedCache(0, 7);
    cache.set('ab', bytes(3, 1));
    expect(cache.get('ab')).toEqual(bytes(3, 1));
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('')).toBeUndefined();
    cache.set('\u0100', bytes(1, 1));
    expect(cache.get('\u0100')).toBeUndefined();
    cache.set('k'.repeat(513), bytes(1, 1));
    expect(cache.get('k'.repeat(513))).toBeUndefined();
  });

  it('hands out copies', () => {
    const cache = new PackedCache(0, 7);
    const value = bytes(10, 1);
    cache.set('key', value);
    value.fill(2);
    const read = cache.get('key');
    read?.fill(3);
    expect(cache.get('key')).toEqual(bytes(10, 1));
  });
});
