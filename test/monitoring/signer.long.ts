/** Alerts about the key of a validator, each by its real cause: npm run test:monitoring */
import { afterAll, beforeAll, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Load, routes } from '../e2e/load.js';
import { withLogTails } from '../e2e/network.js';
import { SignerProcess } from '../e2e/signer-process.js';
import { describeWatched } from './describe-watched.js';
import { boundMs, watch, type Watched } from './watched-network.js';

describeWatched('alerts about a signer (skipped where Prometheus is not installed)', () => {
  let watched: Watched;
  let signer: SignerProcess;
  let load: Load;

  beforeAll(async () => {
    watched = await watch({}, async (network) => {
      signer = await SignerProcess.make(network, network.validators[3]!);
      await signer.start();
    });
    load = await Load.start(watched.network, routes.alba, { via: 'submit', validator: 0, inFlight: 2 });
  }, boundMs);

  afterAll(async () => {
    await load.stop();
    await watched.prometheus.close();
    await signer.kill();
    await watched.network.close();
  }, boundMs);

  it(
    'a remote signer that is killed',
    withLogTails(async () => {
      const { prometheus } = watched;
      await signer.kill();
      await prometheus.expectFiring(['QuaestorSignerAway']);
      await signer.start();
      await prometheus.expectQuiet(['QuaestorSignerAway']);
    }),
    boundMs,
  );

  it(
    'a remote signer that is frozen now and then',
    withLogTails(async () => {
      const { prometheus } = watched;
      let frozen = false;
      const pulse = setInterval(() => {
        frozen = !frozen;
        signer.signal(frozen ? 'SIGSTOP' : 'SIGCONT');
      }, 700);
      try {
        await prometheus.expectFiring(['QuaestorSignerSlow']);
      } finally {
        clearInterval(pulse);
        signer.signal('SIGCONT');
      }
      await prometheus.expectQuiet(['QuaestorSignerSlow']);
    }),
    boundMs,
  );

  it(
    'a remote signer whose memory begins above the network',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await signer.kill();
      await rm(join(signer.dir, 'state'), { recursive: true });
      const height = await network.validators[0]!.metric('quaestor_consensus_height');
      await signer.init('--from-height', String(height + 4096), '--from-view', '1000');
      await signer.start();
      await prometheus.expectFiring(['QuaestorSignerRefusing']);
    }),
    boundMs,
  );
});
