/** What the bench found: shapes with the units in the names, as they are written to the JSON file. */
import type { Floor } from './floor.js';
import type { LoadResult } from './load-protocol.js';
import type { Usage } from './cluster.js';

export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly nodeVersion: string;
  readonly platform: string;
  /** Load average over one minute when the bench began, its own processes not among it. */
  readonly loadAverageAtStart: number;
}

/** One run of load with what it cost. */
export interface RunResult {
  readonly transfersPerSecond: number;
  readonly committed: number;
  readonly finalityP50Ms: number;
  readonly finalityP95Ms: number;
  readonly finalityP99Ms: number;
  readonly finalityMaxMs: number;
  readonly receiptsVerified: number;
  /** CPU time of an average validator for each transfer, all threads. */
  readonly cpuPerTransferPerValidatorUs: number;
  /** CPU time of the load generator for each transfer. */
  readonly loadCpuPerTransferUs: number;
  readonly transfersPerBlock: number;
  /** Ed25519 checks for each transfer and validator: 1 is the least, and the rest are votes. */
  readonly checksPerTransferPerValidator: number;
  /** Bytes that an average validator sent to others. */
  readonly peerBytesPerTransferPerValidator: number;
  /** Bytes between client and validator, both ways. */
  readonly clientBytesPerTransfer: number;
}

export interface PeakRun extends RunResult {
  readonly inFlight: number;
}

export interface MemorySample {
  readonly transactions: number;
  /** Of each validator. */
  readonly residentBytes: readonly number[];
}

export interface NetworkResult {
  readonly validators: number;
  readonly accounts: number;
  /** CPU time of all validators together, in percent of one core, while nothing happens. */
  readonly idleCpuPercent?: number;
  /** At 10 transfers a second. */
  readonly low?: RunResult;
  readonly rising?: readonly PeakRun[];
  readonly peak?: PeakRun;
  readonly peakTransfersPerSecond?: number;
  /** cores x floorVerifyPerSecond / validators. */
  readonly limitTransfersPerSecond?: number;
  /** peakTransfersPerSecond / limitTransfersPerSecond. */
  readonly limitRatio?: number;
  /** CPU time of the signature checks alone / CPU time of everything, load generator included: what limitRatio comes
   * to when nothing else runs on the machine. */
  readonly cpuLimitRatio?: number;
  /** At 80 % of the peak. */
  readonly sustained?: RunResult;
  readonly unaryLow?: RunResult;
  readonly unaryPeak?: RunResult;
  readonly sdkStreams?: RunResult;
  readonly diskBytesPerTransfer?: number;
  readonly memory?: readonly MemorySample[];
}

export interface BenchResult extends Partial<Floor> {
  readonly machine: Machine;
  readonly quick: boolean;
  /** Of the first network. */
  readonly peakTransfersPerSecond?: number;
  readonly limitRatio?: number;
  readonly cpuLimitRatio?: number;
  readonly finalityP50Ms?: number;
  readonly finalityP95Ms?: number;
  readonly finalityP99Ms?: number;
  readonly cpuPerTransferPerValidatorUs?: number;
  readonly residentBytesMax?: number;
  readonly idleCpuPercent?: number;
  readonly networks: readonly NetworkResult[];
}

/** Puts together what the client measured and what the validators used. */
export function runResult(load: LoadResult, before: readonly Usage[], after: readonly Usage[]): RunResult {
  const validators = after.length;
  const grown = (of: (usage: Usage) => number): number =>
    after.reduce((sum, usage) => sum + of(usage), 0) - before.reduce((sum, usage) => sum + of(usage), 0);
  const per = (total: number): number => total / Math.max(1, load.committed);
  return {
    transfersPerSecond: (load.committed * 1000) / load.elapsedMs,
    committed: load.committed,
    finalityP50Ms: load.p50Ms,
    finalityP95Ms: load.p95Ms,
    finalityP99Ms: load.p99Ms,
    finalityMaxMs: load.maxMs,
    receiptsVerified: load.receiptsVerified,
    cpuPerTransferPerValidatorUs: per(grown(({ cpuMs }) => cpuMs) * 1000) / validators,
    loadCpuPerTransferUs: per(load.cpuMs * 1000),
    transfersPerBlock: load.committed / Math.max(1, grown(({ blocks }) => blocks) / validators),
    checksPerTransferPerValidator: per(grown(({ checks }) => checks)) / validators,
    peerBytesPerTransferPerValidator: per(grown(({ peerBytesSent }) => peerBytesSent)) / validators,
    clientBytesPerTransfer: per(load.bytesSent + load.bytesReceived),
  };
}
