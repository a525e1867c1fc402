/** Every query of the dashboards, run by a real Prometheus that scrapes a running network: npm run test:monitoring */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TransactionFailedError } from '../../src/client/index.js';
import { Load, routes, signPayment } from '../e2e/load.js';
import { withLogTails } from '../e2e/network.js';
import { eventually } from '../helpers/eventually.js';
import { dashboards } from './dashboards/grafana.js';
import { filledIn } from './dashboards/panel.js';
import { describeWatched } from './describe-watched.js';
import { boundMs, watch, type Watched } from './watched-network.js';

describeWatched('dashboards (skipped where Prometheus is not installed)', () => {
  let watched: Watched;
  let loads: readonly Load[] = [];

  beforeAll(async () => {
    watched = await watch({});
    const { network } = watched;
    loads = await Promise.all([
      Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 }),
      Load.start(network, routes.borealis, { via: 'submitMany', validator: 1, inFlight: 20 }),
      Load.start(network, routes.cadence, { via: 'submit', validator: 2, inFlight: 2 }),
    ]);
    await Promise.all(loads.map((load) => load.progress(100)));
    // One without effect, and one that every validator has refused: both are shown.
    const member = await network.member(routes.alba.member);
    const client = network.connect(network.clientOptions(member.tls));
    const validUntilHeight = (await client.currentHeight()) + 500;
    const poor = await signPayment(routes.alba, member, network.chainId, {
      validUntilHeight,
      amount: 10n ** 30n,
    });
    await client.submit(poor).catch((error: unknown) => {
      if (!(error instanceof TransactionFailedError)) throw error;
    });
  }, boundMs);

  afterAll(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await watched.prometheus.close();
    await watched.network.close();
  }, boundMs);

  for (const { name, rows } of dashboards) {
    for (const { title, panels } of rows) {
      it(
        `the queries of ${name}, ${title}, are right and give data`,
        withLogTails(async () => {
          const { network, prometheus } = watched;
          for (const panel of panels) {
            for (const { expr, quiet } of panel.queries) {
              const expression = filledIn(expr, {
                network: network.genesis.network,
                validator: '.*',
                rate: '8s',
              });
              if (quiet === true) await prometheus.query(expression);
              else {
                await eventually(`${panel.title}: ${expression} gives data`, async () => {
                  const samples = await prometheus.query(expression);
                  return samples.length > 0 && samples.some(({ value }) => !Number.isNaN(value));
                });
              }
            }
          }
          expect(panels.length).toBeGreaterThan(0);
        }),
        boundMs,
      );
    }
  }
});
