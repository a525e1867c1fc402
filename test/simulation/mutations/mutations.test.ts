/** Defects that are planted on purpose are caught; all of them by `npm run mutations`, some of them here. */
import { describe, expect, it, jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runForJson } from '../../helpers/program.js';
import { mutations } from './list.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

// Far above what they take: a busy machine is no failure.
jest.setTimeout(300_000);

/** Caught within a few schedules. */
const quick = [
  'commits of one less than a quorum',
  'a voter is counted twice',
  'evidence is forgotten',
  "the primary's prepare counts",
  'signatures of messages are not checked',
  'blocks are acknowledged before',
];

describe('the mutations', () => {
  it('are at least 25, and each has a name of its own', () => {
    expect(mutations.length).toBeGreaterThanOrEqual(25);
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
  });

  it('change code that is there: rewrite those whose text has changed', async () => {
    const stale: string[] = [];
    for (const { name, edits } of mutations) {
      for (const { file, find, replace } of edits) {
        const parts = (await readFile(join(root, file), 'utf8')).split(find);
        if (parts.length !== 2 || find === replace)
          stale.push(`${name}: ${file} has ${parts.length - 1} times ${find}`);
      }
    }
    expect(stale).toEqual([]);
  });

  it(`are caught by schedules of the simulator: ${quick.length} of them`, async () => {
    const results = (await runForJson('test/simulation/mutations/main.ts', [
      ...['--only', quick.join(','), '--seeds', '60'],
    ])) as readonly { readonly name: string; readonly caught?: { readonly failure: string } }[];
    expect(results).toHaveLength(quick.length);
    for (const { name, caught } of results)
      expect({ name, caught: caught !== undefined }).toEqual({ name, caught: true });
  });
});
