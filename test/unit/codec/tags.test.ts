import { expect, it } from '@jest/globals';
import { tags } from '../../../src/codec/index.js';

it('has no domain tag that begins another one', () => {
  const texts = [...Object.values(tags).map((tag) => new TextDecoder().decode(tag)), 'quaestor/state-key/v1'];
  for (const text of texts) {
    expect(text).toMatch(/^quaestor\/[a-z-]+\/v1$/);
    expect(texts.filter((other) => other.startsWith(text))).toEqual([text]);
  }
});
