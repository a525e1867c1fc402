import { describe, expect, it } from '@jest/globals';
import { TestNet } from '../helpers/consensus-net.js';

describe('normal case', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 16])('commits blocks at all of %i replicas', (n) => {
    const net = new TestNet({ n });
    for (let height = 1; height <= 25; height++) net.commitBlock();
    expect(net.heights()).toEqual(Array.from({ length: n }, () => 25));
    expect(new Set(net.replicas.map(({ state }) => state.stableCheckpoint))).toEqual(new Set([20]));
  });
});
