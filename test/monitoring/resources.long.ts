/** Alerts about what a node has to work with, each by its real cause: npm run test:monitoring */
import { afterAll, beforeAll, it } from '@jest/globals';
import { appendFile, cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Load, routes } from '../e2e/load.js';
import { withLogTails } from '../e2e/network.js';
import { canMount, SmallDisk } from '../e2e/small-disk.js';
import type { ValidatorProcess } from '../e2e/validator-process.js';
import { canHang, HangingDisk } from './hanging-disk.js';
import { installed } from './installed.js';
import { MemoryGroup } from './memory-group.js';
import { describeWatched } from './describe-watched.js';
import { boundMs, restart, watch, type Watched } from './watched-network.js';
import { programAfter, programOfVersion } from './wrapped-program.js';

const MiB = 1024 * 1024;
/** Debian's package faketime puts it here. */
const faketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

describeWatched('alerts about resources (skipped where Prometheus is not installed)', () => {
  let watched: Watched;
  let victim: ValidatorProcess;
  let load: Load;
  const cleanUps: (() => void)[] = [];

  beforeAll(async () => {
    watched = await watch({}, async ({ validators }) => {
      // By which it knows that its folder was put back.
      await appendFile(validators[3]!.config, 'storage: { witness: ../witness }\n');
    });
    victim = watched.network.validators[3]!;
    load = await Load.start(watched.network, routes.alba, { via: 'submit', validator: 0, inFlight: 4 });
  }, boundMs);

  afterAll(async () => {
    await watched.prometheus.close();
    await Promise.all(watched.network.validators.map((validator) => validator.kill()));
    for (const cleanUp of cleanUps.reverse()) cleanUp();
    await watched.network.close();
  }, boundMs);

  it(
    'a certificate near its end',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await network.renewCertificateOf(victim, { nowMs: Date.now(), days: 1 });
      const alerts = ['QuaestorCertificateExpiresSoon', 'QuaestorCertificateExpiresNow'];
      await prometheus.expectFiring(alerts);
      await network.renewCertificateOf(victim, { nowMs: Date.now(), days: 90 });
      await prometheus.expectQuiet(alerts);
    }),
    boundMs,
  );

  (installed('faketime') ? it : it.skip)(
    'a clock that is ahead',
    withLogTails(async () => {
      const { prometheus } = watched;
      await restart(victim, {
        environment: {
          LD_PRELOAD: faketime,
          FAKETIME: '+3s',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        },
      });
      await prometheus.expectFiring(['QuaestorClockSkew']);
      await restart(victim);
      await load.progress(10);
      await prometheus.expectQuiet(['QuaestorClockSkew']);
    }),
    boundMs,
  );

  it(
    'a validator that gets too little processor time',
    withLogTails(async () => {
      const { prometheus } = watched;
      let frozen = false;
      const pulse = setInterval(() => {
        frozen = !frozen;
        victim.signal(frozen ? 'SIGSTOP' : 'SIGCONT');
      }, 400);
      try {
        await prometheus.expectFiring(['QuaestorEventLoopLag']);
      } finally {
        clearInterval(pulse);
        victim.signal('SIGCONT');
      }
      await prometheus.expectQuiet(['QuaestorEventLoopLag']);
    }),
    boundMs,
  );

  (installed('prlimit') ? it : it.skip)(
    'file descriptors that are never closed',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const program = await programAfter(network.dir, 'open-descriptors', [
        "execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=1024:1024']);",
        "setTimeout(() => { for (let open = 0; open < 850; open++) openSync('/dev/null'); }, 3000);",
      ]);
      await restart(victim, { program });
      await prometheus.expectFiring(['QuaestorFileDescriptorsHigh']);
      await restart(victim);
      await prometheus.expectQuiet(['QuaestorFileDescriptorsHigh']);
    }),
    boundMs,
  );

  (MemoryGroup.possible() ? it : it.skip)(
    'a memory limit that is too tight',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      const used = await victim.metric('process_resident_memory_bytes');
      const group = new MemoryGroup(`quaestor-${process.pid}`, Math.ceil(used));
      cleanUps.push(() => group.remove());
      const program = await programAfter(network.dir, 'little-memory', [
        `writeFileSync(${JSON.stringify(group.joinFile)}, String(process.pid));`,
      ]);
      await restart(victim, { program });
      await prometheus.expectFiring(['QuaestorMemoryHigh']);
      await restart(victim);
      await prometheus.expectQuiet(['QuaestorMemoryHigh']);
    }),
    boundMs,
  );

  it(
    'an upgrade that was not finished',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await restart(victim, { program: await programOfVersion(network.dir, '99.0.0') });
      await prometheus.expectFiring(['QuaestorVersionsDiffer']);
      await restart(victim);
      await prometheus.expectQuiet(['QuaestorVersionsDiffer']);
    }),
    boundMs,
  );

  it(
    'a data folder that is put back',
    withLogTails(async () => {
      const { prometheus } = watched;
      const data = victim.storeDir;
      await victim.stop();
      await cp(data, `${data}-copy`, { recursive: true });
      victim.start();
      await victim.ready();
      await load.progress(20);
      await victim.kill();
      await rm(data, { recursive: true });
      await rename(`${data}-copy`, data);
      victim.start();
      await prometheus.expectFiring(['QuaestorAbstaining']);
      await load.progress(20);
      await prometheus.expectQuiet(['QuaestorAbstaining']);
    }),
    boundMs,
  );

  (canHang() ? it : it.skip)(
    'a disk that hangs now and then',
    withLogTails(async () => {
      const { prometheus } = watched;
      await victim.stop();
      const disk = await HangingDisk.under(join(victim.dir, 'data'));
      cleanUps.push(() => disk.unmount());
      victim.start();
      await victim.ready();
      let frozen = false;
      const pulse = setInterval(() => {
        frozen = !frozen;
        if (frozen) disk.freeze();
        else disk.thaw();
      }, 300);
      try {
        await prometheus.expectFiring(['QuaestorStorageSlow']);
      } finally {
        clearInterval(pulse);
        disk.thaw();
      }
      await prometheus.expectQuiet(['QuaestorStorageSlow']);
    }),
    boundMs,
  );

  (canMount() ? it : it.skip)(
    'a disk that fills up',
    withLogTails(async () => {
      const { network, prometheus } = watched;
      await load.stop();
      const other = network.validators[2]!;
      await other.stop();
      const disk = await SmallDisk.under(join(other.dir, 'data'));
      cleanUps.push(() => disk.unmount());
      other.start();
      await other.ready();
      await disk.fillTo(12 * MiB);
      await prometheus.expectFiring(['QuaestorDiskFullSoon']);
      await disk.fillTo(6 * MiB);
      await prometheus.expectFiring(['QuaestorDiskSpaceLow']);
      await disk.fillTo(2 * MiB);
      await prometheus.expectFiring(['QuaestorDiskSpaceCritical']);
      await disk.clear();
      await prometheus.expectQuiet(['QuaestorDiskSpaceLow', 'QuaestorDiskSpaceCritical']);
    }),
    boundMs,
  );
});
