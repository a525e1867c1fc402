/**
 * Draws the dashboards for docs/images: npm run pictures. A network runs for some minutes under load and with a fault or
 * two, Prometheus watches, and every panel is drawn from the answers to its own queries: by uPlot in a headless Chromium,
 * since a Grafana server is more than this needs.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Load, routes } from '../e2e/load.js';
import { dashboards } from './dashboards/grafana.js';
import { drawnPage, pageHeight, pageWidth } from './dashboards/drawn-page.js';
import { filledIn } from './dashboards/panel.js';
import { restart, watch } from './watched-network.js';

const run = promisify(execFile);
const folder = resolve('docs/images');
const { network, prometheus } = await watch({});
const dir = await mkdtemp(join(tmpdir(), 'quaestor-pictures-'));
const startedMs = Date.now();
try {
  await live();
  const seconds = Math.ceil((Date.now() - startedMs) / 1000);
  for (const dashboard of dashboards) {
    const answers = new Map<string, Awaited<ReturnType<typeof prometheus.queryRange>>>();
    // As the dashboard is used: for one node.
    const validator = dashboard.name === 'validator' ? network.validators[2]!.id : '.*';
    for (const { queries } of dashboard.rows.flatMap(({ panels }) => panels)) {
      for (const { expr } of queries) {
        const values = { network: network.genesis.network, validator, rate: '10s' };
        answers.set(expr, await prometheus.queryRange(filledIn(expr, values), seconds));
      }
    }
    const page = join(dir, `${dashboard.name}.html`);
    await writeFile(page, await drawnPage(dashboard, answers));
    const picture = join(folder, `dashboard-${dashboard.name}.png`);
    await run('chromium', [
      ...[
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        '--force-device-scale-factor=1',
      ],
      ...['--virtual-time-budget=3000', `--window-size=${pageWidth},${pageHeight(dashboard)}`],
      ...[`--user-data-dir=${join(dir, 'chromium')}`, `--screenshot=${picture}`, `file://${page}`],
    ]);
    process.stdout.write(`${picture}\n`);
  }
} finally {
  await prometheus.close();
  await network.close();
  await rm(dir, { recursive: true, force: true });
}

/** Some minutes in the life of a network: load that rises, a validator that goes and comes back. */
async function live(): Promise<void> {
  const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
  const first = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 3 });
  await pause(30_000);
  const second = await Load.start(network, routes.borealis, {
    via: 'submitMany',
    validator: 1,
    inFlight: 40,
  });
  const third = await Load.start(network, routes.cadence, { via: 'submit', validator: 0, inFlight: 4 });
  await pause(30_000);
  const victim = network.validators[2]!;
  await victim.kill();
  await pause(15_000);
  victim.start();
  await victim.ready();
  await pause(20_000);
  await restart(network.validators[3]!);
  await pause(20_000);
  await Promise.all([first.stop(), second.stop(), third.stop()]);
}
