/** The results as Markdown, fit for docs/benchmarks.md. */
import type { BenchResult, NetworkResult, RunResult } from './results.js';

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
const count = (value: number): string => value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
const ms = (value: number): string => value.toFixed(1);
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

type Row = readonly [string, (network: NetworkResult) => string | undefined];

const finality = (run: RunResult | undefined): string | undefined =>
  run === undefined
    ? undefined
    : `${ms(run.finalityP50Ms)} / ${ms(run.finalityP95Ms)} / ${ms(run.finalityP99Ms)}`;

function show<T>(value: T | undefined, text: (value: T) => string): string | undefined {
  return value === undefined ? undefined : text(value);
}

const rows: readonly Row[] = [
  ['committed transfers a second at the peak', (net) => show(net.peakTransfersPerSecond, count)],
  ['… in flight then', (net) => show(net.peak, (run) => count(run.inFlight))],
  ['… a block then', (net) => show(net.peak, (run) => count(run.transfersPerBlock))],
  ['limit: cores x checks a second / validators', (net) => show(net.limitTransfersPerSecond, count)],
  ['ratio to the limit', (net) => show(net.limitRatio, percent)],
  ['the same by CPU time', (net) => show(net.cpuLimitRatio, percent)],
  [
    'CPU a transfer and validator, us',
    (net) => show(net.peak, (run) => ms(run.cpuPerTransferPerValidatorUs)),
  ],
  [
    'CPU a transfer of the load generator, us',
    (net) => show(net.peak, (run) => ms(run.loadCpuPerTransferUs)),
  ],
  [
    'signature checks a transfer and validator',
    (net) => show(net.peak, (run) => run.checksPerTransferPerValidator.toFixed(2)),
  ],
  ['finality at 10 a second, ms: p50 / p95 / p99', (net) => finality(net.low)],
  ['finality at 80 % of the peak, ms: p50 / p95 / p99', (net) => finality(net.sustained)],
  [
    'bytes a transfer that a validator sends to others',
    (net) => show(net.peak, (run) => count(run.peerBytesPerTransferPerValidator)),
  ],
  [
    'bytes a transfer between client and validator',
    (net) => show(net.peak, (run) => count(run.clientBytesPerTransfer)),
  ],
  ['bytes a transfer on disk, each validator', (net) => show(net.diskBytesPerTransfer, count)],
  ['idle, all validators, % of a core', (net) => show(net.idleCpuPercent, (value) => value.toFixed(2))],
  [
    'unary calls (SDK), 64 at a time, a second',
    (net) => show(net.unaryPeak, (run) => count(run.transfersPerSecond)),
  ],
  ['unary calls (SDK) at 10 a second, ms: p50 / p95 / p99', (net) => finality(net.unaryLow)],
  [
    'streams of the SDK, every receipt checked, a second',
    (net) => show(net.sdkStreams, (run) => count(run.transfersPerSecond)),
  ],
];

/** The report. */
export function renderReport(result: BenchResult): string {
  const { machine, networks } = result;
  const lines = [
    `${machine.cpuModel}, ${machine.cores} cores, ${mib(machine.memoryBytes)}, ${machine.platform}, Node.js ${machine.nodeVersion}; ` +
      `load average before: ${machine.loadAverageAtStart.toFixed(1)}`,
    '',
  ];
  if (result.quick) lines.push('A quick run: the figures mean nothing.', '');
  if (result.floorVerifyPerSecond !== undefined) {
    lines.push(
      '| Ed25519 checks on one core | a second |',
      '|---|---:|',
      `| libsodium (sodium-native), ${ms(result.floorVerifyCpuUs ?? 0)} us of CPU each | ${count(result.floorVerifyPerSecond)} |`,
      `| OpenSSL (node:crypto, keys kept) | ${count(result.opensslVerifyPerSecond ?? 0)} |`,
      `| @noble/curves (ZIP-215) | ${count(result.nobleVerifyPerSecond ?? 0)} |`,
      '',
    );
  }
  const heads = networks.map(({ validators, accounts }) => `n = ${validators}, ${count(accounts)} accounts`);
  lines.push(`| | ${heads.join(' | ')} |`, `|---|${networks.map(() => '---:|').join('')}`);
  for (const [name, value] of rows) {
    const cells = networks.map(value);
    if (cells.some((cell) => cell !== undefined))
      lines.push(`| ${name} | ${cells.map((cell) => cell ?? '').join(' | ')} |`);
  }
  lines.push('');
  for (const { memory } of networks) {
    if (memory === undefined) continue;
    lines.push('| transactions so far | resident memory of each validator |', '|---:|---|');
    for (const { transactions, residentBytes } of memory) {
      lines.push(`| ${count(transactions)} | ${residentBytes.map(mib).join(', ')} |`);
    }
    lines.push('');
  }
  for (const { rising, validators, accounts } of networks) {
    if (rising === undefined) continue;
    lines.push(
      `Rising load, n = ${validators}, ${count(accounts)} accounts:`,
      '',
      '| in flight | a second | p50 ms | p99 ms | a block |',
      '|---:|---:|---:|---:|---:|',
    );
    for (const run of rising) {
      lines.push(
        `| ${count(run.inFlight)} | ${count(run.transfersPerSecond)} | ${ms(run.finalityP50Ms)} | ${ms(run.finalityP99Ms)} | ${count(run.transfersPerBlock)} |`,
      );
    }
    lines.push('');
  }
  return lines.join('\n');
}
