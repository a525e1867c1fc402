/** npm run test:e2e -- [--seed N] [--count M] [--steps K] [--manifest FILE]: random manifests against real processes. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { abilitiesHere } from './abilities.js';
import { drawManifest, formatManifest, parseManifest, type Manifest } from './manifest.js';
import { runManifest } from './run-manifest.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '10' },
    steps: { type: 'string', default: '4' },
    manifest: { type: 'string' },
  },
});

async function manifests(): Promise<readonly Manifest[]> {
  if (values.manifest !== undefined) return [parseManifest(await readFile(values.manifest, 'utf8'))];
  const first = Number(values.seed);
  const abilities = abilitiesHere();
  return Array.from({ length: Number(values.count) }, (_, index) =>
    drawManifest(first + index, Number(values.steps), abilities),
  );
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
let failures = 0;
for (const manifest of await manifests()) {
  say(`--- seed ${manifest.seed}\n${formatManifest(manifest)}`);
  const startedMs = performance.now();
  try {
    const report = await runManifest(manifest, { say: (line) => say(`  ${line}`) });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    say(
      `ok in ${seconds} s: height ${report.height}, ${report.transactions} transactions, ` +
        `${report.acknowledged} acknowledged, ${report.bankEvents} events of the bank`,
    );
  } catch (error) {
    failures += 1;
    say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
    say(
      `again: npm run test:e2e -- --seed ${manifest.seed} --count 1 --steps ${manifest.perturbations.length}`,
    );
  }
}
say(failures === 0 ? 'All runs held.' : `${failures} runs failed.`);
process.exitCode = failures === 0 ? 0 : 1;
