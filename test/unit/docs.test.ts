/** Pages of docs/ that name tests name ones that exist. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/pitfalls.md');

describe('docs/pitfalls.md', () => {
  it('has every fault of the list, in order', () => {
    const numbers = [...page.matchAll(/^## (\d+)\. \S/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 37 }, (_, index) => index + 1));
  });

  it('says of each by which tests it is shown, or why it cannot be', () => {
    for (const section of page.split(/^## /m).slice(1)) {
      const [title, ...lines] = section.trim().split('\n');
      expect([title, lines.join('').trim().length > 40]).toEqual([title, true]);
    }
  });

  it('names enough tests', () => {
    expect([...page.matchAll(/^- `([^`]+)`: “([^”]+)”$/gm)].length).toBeGreaterThan(50);
  });
});

describe.each(['docs/pitfalls.md', 'docs/faults.md'])('%s', (name) => {
  it('names tests that exist, by their titles', () => {
    const named = [...read(name).matchAll(/^- `([^`]+)`: “([^”]+)”$/gm)];
    expect(named.length).toBeGreaterThan(20);
    const missing = named
      .map(([, file = '', title = '']) => ({ file, title }))
      .filter(({ file, title }) => {
        if (!existsSync(new URL(file, root))) return true;
        return !plain(read(file)).includes(plain(title));
      });
    expect(missing).toEqual([]);
  });
});

/** Without what differs between a title and its source: quotes that are escaped, line breaks. */
const plain = (text: string): string => text.replace(/\\/g, '').replace(/\s+/g, ' ');

it('every test file that a page names exists', () => {
  for (const name of readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.md'),
  )) {
    const files = [...read(`docs/${name}`).matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, file = '']) => file);
    expect([name, files.filter((file) => !existsSync(new URL(file, root)))]).toEqual([name, []]);
  }
});
