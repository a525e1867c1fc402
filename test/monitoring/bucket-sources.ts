import {
  blockBytes,
  blockTransactions,
  latencySeconds,
  stepSeconds,
} from '../../src/telemetry/declarations/buckets.js';

/**
 * What each list of buckets was chosen from: four validators on two cores, with sixty buckets a quarter apart in the
 * place of these; one payment at a time, and three streams with 300 payments in flight each. Figures of a machine without
 * other work are in docs/benchmarks.md.
 */
export const bucketSources: readonly { readonly buckets: readonly number[]; readonly measured: string }[] = [
  {
    buckets: latencySeconds,
    measured:
      'Finality, one payment at a time: p50 21 ms, p99 79 ms (without other work 17 and 86 ms); in streams: p50 470 ms, p99 918 ms (at 80 % of the peak, without other work, 487 and 1,440 ms).',
  },
  {
    buckets: stepSeconds,
    measured:
      'Votes on disk: 0.4 ms at the least, p50 3 ms, p99 21 ms; in streams p50 17 ms, p99 154 ms. Blocks on disk: p50 3 ms, p99 32 ms; in streams 26 and 301 ms. Prepare and commit: p50 5 to 7 ms, p99 32 ms; in streams 40 to 51 ms, 470 ms. Execution: p50 0.3 ms, p99 4 ms; in streams 1 and 123 ms.',
  },
  {
    buckets: blockTransactions,
    measured:
      'One payment at a time: 1. In streams: half of the blocks have some 330. A block holds at most 10,000.',
  },
  {
    buckets: blockBytes,
    measured:
      'One payment at a time: 200 bytes. In streams: p50 66 kB, most 129 kB. A block has at most 8 MiB.',
  },
];
