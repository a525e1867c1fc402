/** A short, seeded run of the fuzzer over everything, and all inputs that ever failed. `npm run fuzz` runs longer. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fuzzCore } from './core.js';
import { fuzz, nameOf, replay } from './fuzzer.js';
import { targets } from './targets.js';

const regressions = fileURLToPath(new URL('regressions', import.meta.url));
const inputs = 320;
/** One seed that stays, and one that changes from day to day; a failure prints which one it was. */
const seeds = [1, Math.floor(Date.now() / 86_400_000)];

describe('hostile input', () => {
  // Pitfall 27: a fuzzed message that crashes the process.
  it.each(targets.map((target) => [target.name, target] as const))(
    'of the kind "%s" is refused or read, whatever it is (pitfall 27)',
    async (_, target) => {
      const most = Math.max(32, Math.floor(inputs / (target.cost ?? 1)));
      for (const seed of seeds) {
        const tried = await fuzz(target, { seed, goOn: (count) => count < most });
        expect(tried.inputs).toBeGreaterThanOrEqual(most);
      }
    },
  );

  it('to the consensus core, well-formed and signed, stops nothing and fills nothing (pitfall 27)', () => {
    for (const seed of seeds) {
      const { events, accepted } = fuzzCore({ seed, goOn: (count) => count < 4000 });
      // Most of it gets past the gate: it is the core that is tried.
      expect(accepted).toBeGreaterThan(events / 10);
    }
  });

  const files = existsSync(regressions) ? readdirSync(regressions).sort() : [];
  it(`that failed once stays repaired (${files.length} files)`, async () => {
    for (const file of files) {
      const target = targets.find(({ name }) => file.startsWith(`${nameOf(name)}-`));
      if (target === undefined) throw new Error(`no target reads the regression ${file}`);
      await replay(target, new Uint8Array(readFileSync(join(regressions, file))));
    }
  });
});
