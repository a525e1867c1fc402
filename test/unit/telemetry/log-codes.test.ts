import { expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { logCodes } from '../../../src/telemetry/index.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('log-codes.ts'))
  .map((file) => readFileSync(`src/${file}`, 'utf8'));

it('every declared code is written by some line, and every line with a code has a declared one', () => {
  const written = new Set<string>();
  const logged = /\blog(?:ger)?(?:\.\w+|\[[^\]]+\])\(\s*\{[^}]*?\bcode: '([A-Z_]+)'/g;
  for (const text of sources) {
    for (const [, code = ''] of text.matchAll(logged)) written.add(code);
  }
  expect([...written].filter((code) => !(code in logCodes))).toEqual([]);
  const all = sources.join('\n');
  expect(Object.keys(logCodes).filter((code) => !all.includes(`code: '${code}'`))).toEqual([]);
});
