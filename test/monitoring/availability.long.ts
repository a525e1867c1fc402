/** Alerts about validators that are away or late, each by its real cause: npm run test:monitoring */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Load, routes } from '../e2e/load.js';
import { withLogTails } from '../e2e/network.js';
import { Wires } from '../e2e/manifests/wires.js';
import { eventually } from '../helpers/eventually.js';
import { declaredMetrics } from './pages.js';
import { describeWatched } from './describe-watched.js';
import { boundMs, primaryOf, restart, watch, type Watched } from './watched-network.js';

describeWatched('alerts about availability (skipped where Prometheus is not installed)', () => {
  let watched: Watched;
  let wires: Wires;
  let load: Load;

  beforeAll(async () => {
    const environment = {
      QUAESTOR_CONSENSUS_VIEW_TIMEOUT: '4s',
      QUAESTOR_CONSENSUS_PRIMARY_SILENCE: '10s',
      // A validator that is held back stays behind.
      QUAESTOR_SYNC_MAX_BLOCKS_PER_REQUEST: '4',
      QUAESTOR_SYNC_MAX_BLOCKS_AHEAD: '4',
    };
    watched = await watch({ environment }, async (network) => {
      wires = await Wires.between(network);
    });
    load = await Load.start(watched.network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 });
  }, boundMs);

  afterAll(async () => {
    await watched.prometheus.close();
    wires.close();
    await watched.network.close();
  }, boundMs);

  it(
    'a network without faults fires nothing, and shows every metric',
    withLogTails(async () => {
      const { prometheus } = watched;
      await load.progress(100);
      // It extrapolates by a day, here from seconds.
      const expected = ['QuaestorDiskFullSoon'];
      for (let look = 0; look < 5; look++) {
        await load.progress(10);
        expect((await prometheus.firing()).filter((alert) => !expected.includes(alert))).toEqual([]);
      }
      const present = await prometheus.query('count by (__name__) ({job="quaestor"})');
      const names = new Set(present.map(({ metric }) => metric['__name__']));
      const missing = declaredMetrics()
        .own.map(({ name, type }) => (type === 'histogram' ? `${name}_count` : name))
        .filter((name) => !names.has(name) && !onlyInTrouble.includes(name));
      expect(missing).toEqual([]);
    }),
    boundMs,
  );

  it(
    'a validator that is killed',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await network.validators[2]!.kill();
      await prometheus.expectFiring(['QuaestorDown', 'QuaestorQuorumAtRisk', 'QuaestorPeerDisconnected']);
      await load.progress(10);
      await network.startAll();
      await prometheus.expectQuiet(['QuaestorDown', 'QuaestorQuorumAtRisk', 'QuaestorPeerDisconnected']);
    }),
    boundMs,
  );

  it(
    'two of four validators that are killed',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const primary = await primaryOf(network);
      const [other] = network.validators.filter(({ index }) => index !== primary.index && index !== 0);
      await Promise.all([primary.kill(), other!.kill()]);
      const alerts = ['QuaestorNoQuorum', 'QuaestorStalled', 'QuaestorViewChangeStuck'];
      await prometheus.expectFiring(alerts);
      await network.startAll();
      await load.progress(10);
      await prometheus.expectQuiet(alerts);
    }),
    boundMs,
  );

  it(
    'a validator that is restarted again and again',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const [, , , victim] = network.validators;
      const started = async () =>
        (await prometheus.query(`process_start_time_seconds{validator="${victim!.id}"}`))[0]?.value;
      for (let round = 0; round < 3; round++) {
        const before = await started();
        await restart(victim!);
        await eventually('Prometheus has seen it', async () => {
          const now = await started();
          return now !== undefined && now !== before;
        });
      }
      await prometheus.expectFiring(['QuaestorRestarting']);
      await load.progress(10);
    }),
    boundMs,
  );

  it(
    'one primary after the other that is frozen',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      for (let round = 0; round < 5; round++) {
        const primary = await primaryOf(network);
        const [other] = network.validators.filter(({ index }) => index !== primary.index);
        const views = await other!.metric('quaestor_consensus_views_started_total');
        primary.signal('SIGSTOP');
        await eventually(
          'another view starts',
          async () => (await other!.metric('quaestor_consensus_views_started_total')) > views,
        );
        primary.signal('SIGCONT');
        await network.whole();
      }
      await prometheus.expectFiring(['QuaestorViewChangesFrequent']);
      await load.progress(10);
    }),
    boundMs,
  );

  it(
    'a validator that is held back',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const victim = network.validators[3]!;
      wires.cut([3], true);
      const height = await network.validators[0]!.metric('quaestor_consensus_height');
      await eventually(
        'the others go on without it',
        async () => (await network.validators[0]!.metric('quaestor_consensus_height')) > height + 200,
        120_000,
      );
      wires.delay([3], 500);
      wires.cut([3], false);
      await prometheus.expectFiring(['QuaestorFallingBehind', 'QuaestorNotReady']);
      // It knows now what it lacks, and gets nothing any more.
      wires.cut([3], true);
      await prometheus.expectFiring(['QuaestorSyncStalled']);
      wires.delay([3], 0);
      wires.cut([3], false);
      await load.stop();
      await victim.ready();
      await prometheus.expectQuiet(['QuaestorFallingBehind', 'QuaestorNotReady', 'QuaestorSyncStalled']);
    }),
    boundMs,
  );

  it(
    'round trips that have become long',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const slow = await Load.start(network, routes.borealis, { via: 'submit', validator: 1, inFlight: 2 });
      await slow.progress(4);
      wires.delay([0, 1, 2, 3], 400);
      await prometheus.expectFiring(['QuaestorFinalitySlow']);
      wires.delay([0, 1, 2, 3], 0);
      await slow.progress(20);
      await slow.stop();
      await prometheus.expectQuiet(['QuaestorFinalitySlow']);
    }),
    boundMs,
  );

  it(
    'all validators that are killed',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await Promise.all(network.validators.map((validator) => validator.kill()));
      await prometheus.expectFiring(['QuaestorAbsent', 'QuaestorDown']);
    }),
    boundMs,
  );
});

/** Series that are not there before what they count has happened. */
const onlyInTrouble = [
  'quaestor_consensus_view_changes_total',
  'quaestor_consensus_messages_ignored_total',
  'quaestor_consensus_proposal_clock_offset_seconds',
  'quaestor_mempool_refused_total',
  'quaestor_network_shed_total',
  'quaestor_network_paused_total',
  'quaestor_network_disconnects_total',
  'quaestor_network_refused_total',
  'quaestor_network_observers_connected',
  'quaestor_sync_failures_total',
  'quaestor_sync_snapshot_height',
  'quaestor_sync_snapshot_progress_ratio',
];
