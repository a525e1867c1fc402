import {
  blockBytes,
  blockTransactions,
  latencySeconds,
  stepSeconds,
} from '../../src/telemetry/declarations/buckets.js';

/** What each list of buckets was chosen from. */
export const bucketSources: readonly { readonly buckets: readonly number[]; readonly measured: string }[] = [
  { buckets: latencySeconds, measured: '' },
  { buckets: stepSeconds, measured: '' },
  { buckets: blockTransactions, measured: '' },
  { buckets: blockBytes, measured: '' },
];
