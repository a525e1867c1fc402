import type { Metrics } from './metrics.js';

/** Counts of the peer network, in the shape that src/network takes; `ids` are the validators' in order of index, and may
 * grow. */
export function peerMetrics(metrics: Metrics, ids: readonly string[]) {
  const { network } = metrics;
  const cellsOf = (peer: string) => ({
    connected: network.peerConnected.with({ peer }),
    sentBytes: network.bytes.with({ peer, direction: 'out' }),
    sentFrames: network.frames.with({ peer, direction: 'out' }),
    receivedBytes: network.bytes.with({ peer, direction: 'in' }),
    receivedFrames: network.frames.with({ peer, direction: 'in' }),
  });
  const cells: (ReturnType<typeof cellsOf> | undefined)[] = [];
  const cellsAt = (peer: number) => {
    const id = ids[peer];
    return (cells[peer] ??= id === undefined ? undefined : cellsOf(id));
  };
  for (const index of ids.keys()) cellsAt(index);
  const open = new Set<number>();
  const idOf = (peer: number) => ids[peer] ?? 'unknown';
  network.peersConnected.set(0);
  return {
    connected(peer: number): void {
      open.add(peer);
      network.peersConnected.set(open.size);
      cellsAt(peer)?.connected.set(1);
    },
    disconnected(peer: number, reason: string): void {
      open.delete(peer);
      network.peersConnected.set(open.size);
      cellsAt(peer)?.connected.set(0);
      network.disconnects.with({ peer: idOf(peer), reason }).inc();
    },
    refused(_peer: number | undefined, direction: 'in' | 'out', reason: string): void {
      network.refused.with({ direction, reason }).inc();
    },
    sent(peer: number, bytes: number, frames: number): void {
      cellsAt(peer)?.sentBytes.inc(bytes);
      cellsAt(peer)?.sentFrames.inc(frames);
    },
    received(peer: number, bytes: number, frames: number): void {
      cellsAt(peer)?.receivedBytes.inc(bytes);
      cellsAt(peer)?.receivedFrames.inc(frames);
    },
    shed(
      peer: number,
      direction: 'in' | 'out',
      traffic: 'consensus' | 'transactions' | 'status' | 'bodies' | 'evidence',
      count: number,
    ): void {
      network.shed.with({ peer: idOf(peer), direction, traffic }).inc(count);
    },
    observers(count: number): void {
      network.observersConnected.set(count);
    },
    paused(peer: number, cause: 'rate' | 'backlog'): void {
      network.paused.with({ peer: idOf(peer), cause }).inc();
    },
  };
}

/** See ShedCause of src/api. */
type ShedCause =
  | 'requests'
  | 'bytes'
  | 'transactions'
  | 'calls'
  | 'streams'
  | 'in_flight'
  | 'member_share'
  | 'pool'
  | 'load';

/** Counts of the services, in the shape that src/api takes. */
export function apiMetrics(metrics: Metrics) {
  const { grpc } = metrics;
  // Those that say "too much" are there from the start, so that a rate over them sees the first one.
  for (const reason of ['OVERLOADED', 'QUOTA_EXCEEDED']) grpc.refused.with({ reason });
  for (const cause of ['requests', 'bytes', 'transactions', 'calls', 'in_flight', 'load'] as const) {
    grpc.shed.with({ method: 'LedgerService/Submit', cause });
  }
  return {
    callEnded(method: string, code: string, durationMs: number): void {
      grpc.requests.with({ method, code }).inc();
      grpc.requestDuration.with({ method }).observe(durationMs / 1000);
    },
    openCalls(method: string, change: 1 | -1): void {
      grpc.openCalls.with({ method }).inc(change);
    },
    submissionsInFlight(change: number): void {
      grpc.submissionsInFlight.inc(change);
    },
    refused(reason: string, count: number): void {
      grpc.refused.with({ reason }).inc(count);
    },
    shed(method: string, cause: ShedCause, count: number): void {
      grpc.shed.with({ method, cause }).inc(count);
    },
    held(): void {
      grpc.held.inc();
    },
  };
}

/** Totals that a verifier pool keeps; see VerifierPoolStats of src/crypto/native. */
export interface VerifierTotals {
  readonly remembered: number;
  readonly joined: number;
  readonly inline: number;
  readonly threaded: number;
  readonly invalid: number;
  readonly unsettled: number;
  readonly crashes: number;
  readonly liveThreads: number;
  readonly waiting: number;
}

/** Shows a verifier's totals on every scrape. */
export function observeVerifier(metrics: Metrics, stats: () => VerifierTotals): void {
  const { verifier } = metrics;
  metrics.beforeScrape(() => {
    const totals = stats();
    for (const path of ['remembered', 'joined', 'inline', 'threaded'] as const) {
      verifier.checks.with({ path }).raiseTo(totals[path]);
    }
    verifier.invalid.raiseTo(totals.invalid);
    verifier.slow.raiseTo(totals.unsettled);
    verifier.crashes.raiseTo(totals.crashes);
    verifier.threads.set(totals.liveThreads);
    verifier.waiting.set(totals.waiting);
  });
}
