import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { generatedFiles } from './generated-files.js';
import { areaNames, areaOf, declaredMetrics } from './pages.js';
import { bucketSources } from './bucket-sources.js';

/** Without what only the formatter decides: padding of table cells and of JSON, length of rules in tables. */
const bare = (text: string): string => text.replace(/-{3,}/g, '---').replace(/\s+/g, '');

describe('files that are made from declarations', () => {
  it.each([...generatedFiles()])('%s is what `npm run generate` writes', (path, text) => {
    expect(bare(readFileSync(path, 'utf8'))).toBe(bare(text));
  });
});

describe('docs/metrics.md', () => {
  it('has a section for every area', () => {
    const areas = new Set(declaredMetrics().own.map(({ name }) => areaOf(name)));
    expect([...areas].sort()).toEqual([...areaNames].sort());
  });

  it('says of every histogram what its buckets were chosen from', () => {
    const known = bucketSources.map(({ buckets }) => buckets.join());
    for (const { name, buckets } of declaredMetrics().own) {
      if (buckets !== undefined) expect([name, known.includes(buckets.join())]).toEqual([name, true]);
    }
  });
});
