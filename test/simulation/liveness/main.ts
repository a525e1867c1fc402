/** Measures all liveness scenarios: npm run liveness -- [--only NAME]. Prints a table; exit code 1 when a bound is
 * broken. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { installNativeSha256 } from '../../../src/crypto/native/sha256.js';
import { scenarios } from './scenarios.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    /** Number of validators; both 4 and 16 without it. */
    validators: { type: 'string' },
    json: { type: 'string' },
  },
});

installNativeSha256();
const rows: { name: string; validators: number; ms: number; boundMs: number }[] = [];
for (const { name, text, bound, run } of scenarios) {
  if (values.only !== '' && name !== values.only) continue;
  process.stdout.write(`${text}; bound: ${bound}\n`);
  for (const validators of values.validators === undefined ? [4, 16] : [Number(values.validators)]) {
    const { ms, boundMs } = await run(validators);
    rows.push({ name, validators, ms: Math.ceil(ms), boundMs });
    process.stdout.write(
      `  n = ${String(validators).padStart(2)}  ${ms.toFixed(0).padStart(6)} ms of ${boundMs.toFixed(0)} ms${ms < boundMs ? '' : '  BROKEN'}\n`,
    );
  }
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows));
process.exitCode = rows.every(({ ms, boundMs }) => ms < boundMs) ? 0 : 1;
