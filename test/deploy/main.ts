/**
 * `npm run test:deploy`: installs what the tests of deploy/ need, then runs all of them, also those that `npm test` leaves
 * out. What cannot be installed here is named; the tests that need it are skipped, and counted as such.
 *
 *   npm run test:deploy -- --without cluster      skips the real API server, whose build takes minutes the first time
 */
import { spawnSync } from 'node:child_process';
import { installTool, toolNames } from './tools.js';

const words = process.argv.slice(2);
const without = new Set(words.filter((_word, index) => words[index - 1] === '--without'));
for (const name of toolNames) {
  if (without.has(name)) {
    process.stdout.write(`Without ${name}, as asked for.\n`);
    continue;
  }
  const result = installTool(name);
  if ('missing' in result) process.stdout.write(`${name} cannot be installed here: ${result.missing}\n`);
}
const { status } = spawnSync('npm', ['run', '--silent', 'jest', '--', '--runInBand', 'test/deploy/'], {
  stdio: 'inherit',
  env: { ...process.env, QUAESTOR_DEPLOY_TESTS: 'all', QUAESTOR_DEPLOY_WITHOUT: [...without].join(',') },
});
process.exitCode = status ?? 1;
