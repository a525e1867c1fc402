/** Upper bounds of the histograms' buckets. Where they come from: docs/metrics.md. */

/** From a millisecond to half a minute, close-meshed around the objective of 25 ms. */
export const latencySeconds = [
  0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** From a tenth of a millisecond to ten seconds: steps within one node. */
export const stepSeconds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10,
];
export const blockTransactions = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
export const blockBytes = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 8_388_608];
