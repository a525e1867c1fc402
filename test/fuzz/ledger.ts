/**
 * Runs random operations on the ledger's rules and on a simple model of balances, seed after seed:
 * npm run fuzz:ledger -- [--seed N] [--minutes M] [--blocks B]
 * Ends with exit code 1 at the first difference, and says its seed.
 */
import { parseArgs } from 'node:util';
import { Mismatch, runSettlement } from '../helpers/settlement-run.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    blocks: { type: 'string', default: '200' },
  },
});
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const endMs = Date.now() + Number(values.minutes) * 60_000;
const seen = new Map<string, number>();
let seed = Number(values.seed);
try {
  for (; Date.now() < endMs; seed++) runSettlement(seed, Number(values.blocks), seen);
  for (const [code, count] of [...seen].sort()) print(`${String(count).padStart(9)} ${code}`);
  print(`Seeds ${values.seed} to ${seed - 1}, ${values.blocks} blocks each: rules and model agree.`);
} catch (error) {
  if (!(error instanceof Mismatch)) throw error;
  print(error.message);
  process.exitCode = 1;
}
