import { expect, it } from '@jest/globals';
import { readList } from '../../../src/storage/records.js';

it('a list that says it is longer than its record is refused before room is made for it', () => {
  for (const count of ['00000002', '07ffffff', 'ffffffff']) {
    const body = Buffer.from(`${count}00000001aa`, 'hex');
    expect(() => readList(body)).toThrow(/a list of \d+ items does not fit/);
  }
  expect(readList(Buffer.from('0000000100000001aa', 'hex'))).toEqual([Buffer.from('aa', 'hex')]);
});
