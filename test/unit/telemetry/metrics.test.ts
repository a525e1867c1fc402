import { describe, expect, it } from '@jest/globals';
import { apiMetrics, createMetrics, observeVerifier, peerMetrics } from '../../../src/telemetry/index.js';
import { limits } from '../../../src/types/index.js';
import { withoutOwnLabels } from '../../e2e/validator-process.js';
import type { Metrics } from '../../../src/telemetry/index.js';

const identity = { version: '1.2.3', network: 'n1', validator: 'v1' };
const make = (): Metrics => createMetrics({ ...identity, processMetrics: false });

/** The page without the labels that every series has. */
const pageOf = async (metrics: Metrics): Promise<string> => withoutOwnLabels(await metrics.render());

async function lines(metrics: Metrics, name: string): Promise<string[]> {
  return (await pageOf(metrics)).split('\n').filter((line) => line.startsWith(name));
}

describe('createMetrics', () => {
  it('keeps registries apart', async () => {
    const first = make();
    const second = make();
    first.consensus.blocksCommitted.inc(3);
    expect(await lines(first, 'quaestor_consensus_blocks_committed_total')).toEqual([
      'quaestor_consensus_blocks_committed_total 3',
    ]);
    expect(await lines(second, 'quaestor_consensus_blocks_committed_total')).toEqual([
      'quaestor_consensus_blocks_committed_total 0',
    ]);
  });

  it('follows the naming rules of Prometheus', () => {
    const declared = make().declared();
    expect(declared.length).toBeGreaterThan(50);
    for (const { name, help, type, labels } of declared) {
      expect(name).toMatch(/^quaestor_[a-z][a-z0-9_]*[a-z0-9]$/);
      expect(help).toMatch(/\.$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|count|sum|bucket)(_|$)/);
      if (/duration|finality|_age_/.test(name)) expect(name).toMatch(/_seconds$/);
      for (const spec of Object.values(labels)) {
        expect('values' in spec ? spec.values.length : spec.max).toBeLessThanOrEqual(limits.maxValidators);
      }
    }
    expect(new Set(declared.map(({ name }) => name)).size).toBe(declared.length);
  });

  it('shows counts between scrapes once, and zero before the first', async () => {
    const metrics = make();
    const { consensus } = metrics;
    const name = 'quaestor_consensus_messages_total{type="commit",outcome="accepted"}';
    const value = async () => (await pageOf(metrics)).split('\n').find((line) => line.startsWith(name));
    expect(await value()).toBe(`${name} 0`);
    consensus.messages.with({ type: 'commit', outcome: 'accepted' }).inc();
    consensus.messages.with({ type: 'commit', outcome: 'accepted' }).inc(2);
    expect(await value()).toBe(`${name} 3`);
    expect(await value()).toBe(`${name} 3`);
  });

  it('says of every series which network and node it is of', async () => {
    const metrics = createMetrics(identity);
    metrics.consensus.view.set(3);
    const series = (await metrics.render())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of series) expect(line).toContain('network="n1",validator="v1"');
  });

  it('leaves out a gauge that has no value yet', async () => {
    const metrics = make();
    expect(await lines(metrics, 'quaestor_consensus_view ')).toEqual([]);
    metrics.consensus.view.set(0);
    expect(await lines(metrics, 'quaestor_consensus_view ')).toEqual(['quaestor_consensus_view 0']);
  });

  it('bounds the values of every label: what comes too late or is not of the set counts as "other"', async () => {
    const metrics = make();
    for (let index = 0; index < 1000; index++) {
      metrics.consensus.ignored.with({ reason: `reason-${index}` }).inc();
    }
    const shown = await lines(metrics, 'quaestor_consensus_messages_ignored_total');
    expect(shown).toHaveLength(49);
    expect(shown).toContain('quaestor_consensus_messages_ignored_total{reason="other"} 952');
    metrics.network.refused.with({ direction: 'sideways' as 'in', reason: 'x' }).inc();
    expect(await lines(metrics, 'quaestor_network_refused_total{direction="other"')).toEqual([
      'quaestor_network_refused_total{direction="other",reason="x"} 1',
    ]);
  });

  it('says what runs, and the state of the process by its standard names', async () => {
    const metrics = createMetrics(identity);
    const page = await pageOf(metrics);
    expect(page).toContain(`quaestor_build_info{version="1.2.3",node_version="${process.version}"} 1`);
    expect(page).toMatch(/^process_resident_memory_bytes \d+$/m);
    const names = metrics.declaredOfProcess().map(({ name }) => name);
    expect(names).toContain('nodejs_eventloop_lag_p99_seconds');
    for (const name of names)
      expect(page).toContain(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : ''}`);
    expect(metrics.contentType).toContain('text/plain');
  });

  it('reads what is cheaper to read than to keep before every scrape', async () => {
    const metrics = make();
    let age = 1;
    metrics.beforeScrape(() => metrics.mempool.oldestAge.set(age));
    age = 7;
    expect(await lines(metrics, 'quaestor_mempool_oldest_age_seconds')).toEqual([
      'quaestor_mempool_oldest_age_seconds 7',
    ]);
  });
});

describe('adapters', () => {
  it('count peers by their ids', async () => {
    const metrics = make();
    const peers = peerMetrics(metrics, ['v1', 'v2', 'v3']);
    peers.connected(1);
    peers.connected(2);
    peers.sent(1, 100, 2);
    peers.received(1, 50, 1);
    peers.shed(2, 'out', 'transactions', 4);
    peers.disconnected(2, 'garbage');
    peers.refused(undefined, 'in', 'tls');
    expect(await lines(metrics, 'quaestor_network_peers_connected')).toEqual([
      'quaestor_network_peers_connected 1',
    ]);
    const page = await pageOf(metrics);
    for (const line of [
      'quaestor_network_bytes_total{peer="v2",direction="out"} 100',
      'quaestor_network_frames_total{peer="v2",direction="in"} 1',
      'quaestor_network_shed_total{peer="v3",direction="out",traffic="transactions"} 4',
      'quaestor_network_disconnects_total{peer="v3",reason="garbage"} 1',
      'quaestor_network_refused_total{direction="in",reason="tls"} 1',
      'quaestor_network_peer_connected{peer="v3"} 0',
    ]) {
      expect(page).toContain(`${line}\n`);
    }
  });

  it('count calls in seconds', async () => {
    const metrics = make();
    const api = apiMetrics(metrics);
    api.openCalls('LedgerService/Submit', 1);
    api.callEnded('LedgerService/Submit', 'OK', 1500);
    api.openCalls('LedgerService/Submit', -1);
    expect(await lines(metrics, 'quaestor_grpc_server_request_duration_seconds_sum')).toEqual([
      'quaestor_grpc_server_request_duration_seconds_sum{method="LedgerService/Submit"} 1.5',
    ]);
    expect(await lines(metrics, 'quaestor_grpc_server_requests_total')).toEqual([
      'quaestor_grpc_server_requests_total{method="LedgerService/Submit",code="OK"} 1',
    ]);
  });

  it("show a verifier's totals", async () => {
    const metrics = make();
    const totals = {
      remembered: 1,
      joined: 2,
      inline: 3,
      threaded: 4,
      invalid: 5,
      unsettled: 6,
      crashes: 0,
      liveThreads: 2,
      waiting: 8,
    };
    observeVerifier(metrics, () => totals);
    await metrics.render();
    totals.threaded = 10;
    expect(await lines(metrics, 'quaestor_verifier_checks_total{path="threaded"}')).toEqual([
      'quaestor_verifier_checks_total{path="threaded"} 10',
    ]);
    expect(await lines(metrics, 'quaestor_verifier_slow_checks_total')).toEqual([
      'quaestor_verifier_slow_checks_total 6',
    ]);
  });
});
