/** A process that runs simulations for the pool: it takes jobs and answers each with how it went. */
import { installNativeSha256 } from '../../src/crypto/native/sha256.js';
import type { Job, JobResult } from './pool.js';
import { report, simulate } from './run.js';

async function perform({ seed, options, traceLines }: Job): Promise<JobResult> {
  const before = process.cpuUsage();
  const result = await simulate(seed, options, traceLines);
  const { user, system } = process.cpuUsage(before);
  const { outcome } = result;
  return {
    seed,
    validators: result.options.validators,
    height: outcome.height,
    highestView: outcome.highestView,
    traceHash: outcome.traceHash,
    processorMs: (user + system) / 1000,
    settlingMs: outcome.settlingMs,
    longestStallMs: outcome.longestStallMs,
    counts: [...outcome.counts],
    troubles: [...outcome.troubles],
    strategies: result.options.byzantine.flatMap(({ strategies }) => strategies),
    coverage: outcome.coverage.toJSON(),
    failure: outcome.failure,
    report: outcome.failure === undefined ? undefined : report(result, traceLines),
  };
}

installNativeSha256();
// Whoever has started it may have gone.
process.on('error', () => process.exit());
process.on('message', (jobs: readonly Job[]) => {
  void (async () => {
    for (const job of jobs) {
      process.send?.({ started: job.seed });
      process.send?.({ result: await perform(job) });
      // Lets messages and garbage collection through.
      await new Promise((resolve) => setImmediate(resolve));
    }
    process.send?.({ idle: true });
  })();
});
process.on('disconnect', () => process.exit());
