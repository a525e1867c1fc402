/** Upper bounds of the histograms' buckets, chosen from measured distributions: docs/metrics.md says which. */

/** Close-meshed around the objectives of 25 ms alone and a second under load; up to what a sick network shows. */
export const latencySeconds = [
  0.005, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30,
];
/** Steps within one node. */
export const stepSeconds = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.35, 0.5, 1, 2.5, 10,
];
export const blockTransactions = [1, 2, 5, 10, 25, 50, 100, 200, 350, 500, 750, 1000, 2500, 5000, 10_000];
export const blockBytes = [
  256, 1024, 4096, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576, 4_194_304, 8_388_608,
];
