/**
 * A network with one validator on a remote signer commits; the signer dies and comes back; the validator starts from an
 * older data folder and contradicts nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import { shownCertificate } from './shown-certificate.js';
import { SignerProcess } from './signer-process.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 180_000;
let network: TestNetwork;
let signer: SignerProcess;
let remote: ValidatorProcess;

beforeAll(async () => {
  network = await TestNetwork.create();
  remote = network.validators[3]!;
  signer = await SignerProcess.make(network, remote);
  await signer.start();
  await network.startAll();
}, boundMs);

afterAll(async () => {
  await signer.kill();
  await network.close();
});

describe('a validator on a remote signer', () => {
  it(
    'votes, says so when the signer is away, and votes again when it is back',
    withLogTails(async () => {
      const load = await Load.start(network, routes.borealis, { via: 'submit', validator: 0, inFlight: 4 });
      await load.progress(20);
      expect(await remote.metric('quaestor_signer_duration_seconds_count')).toBeGreaterThan(0);
      await signer.kill();
      await eventually('it is not ready', async () => (await remote.http('/readyz')).status === 503);
      expect((await remote.http('/readyz')).body).toMatch(/The validator key cannot be used/);
      expect(remote.logTail(50)).toMatch(/SIGNER_NOT_READY .*does not vote/);
      await load.progress(20);
      await signer.start();
      await remote.ready();
      const before = await remote.metric('quaestor_signer_duration_seconds_count');
      await load.progress(20);
      await eventually(
        'it votes again',
        async () => (await remote.metric('quaestor_signer_duration_seconds_count')) > before,
      );
      await load.stop();
      expect(load.problems).toEqual([]);
      expect(signer.log()).not.toMatch(/"refusal"/);
    }),
    boundMs,
  );

  it(
    'has new certificates on both sides without a restart, and keeps the old ones when the new ones are bad',
    withLogTails(async () => {
      const port = remote.ports.peer + 9;
      const client = await network.issue('validator', remote.id);
      const shown = (): Promise<string> => shownCertificate(port, client);
      const former = await shown();
      const renewed = await network.issue('signer', remote.id);
      const fingerprint = new X509Certificate(renewed.certificatePem).fingerprint256;
      expect(fingerprint).not.toBe(former);
      await signer.putCertificate('signer', renewed);
      await eventually('the signer shows the new one', async () => (await shown()) === fingerprint);
      await signer.putCertificate('client', await network.issue('validator', remote.id));
      remote.signal('SIGHUP');
      const rejections = (): number => signer.log().split('CERTIFICATE_REJECTED').length;
      const expired = { nowMs: Date.now() - 3 * 24 * 3600 * 1000, days: 1 };
      for (const bad of [
        await network.issue('signer', remote.id, { validity: expired }),
        await network.issue('signer', network.validators[0]!.id),
        { ...renewed, certificatePem: 'no certificate' },
      ]) {
        const before = rejections();
        await signer.putCertificate('signer', bad);
        await eventually('it is refused', () => rejections() > before);
        expect(await shown()).toBe(fingerprint);
      }
      await remote.ready();
      const expiry = /quaestor_signer_certificate_expiry_timestamp_seconds\{[^}]*\} (\d+)/;
      const { body } = await signer.http('/metrics');
      const validTo = Date.parse(new X509Certificate(renewed.certificatePem).validTo);
      expect(Number(expiry.exec(body)?.[1])).toBe(Math.floor(validTo / 1000));
      await signer.putCertificate('signer', renewed);
    }),
    boundMs,
  );

  it(
    'that starts from an older data folder contradicts nothing',
    withLogTails(async () => {
      await remote.stop();
      const data = join(remote.dir, 'data');
      await cp(data, join(signer.dir, 'backup'), { recursive: true });
      remote.start();
      await network.whole();
      const load = await Load.start(network, routes.cadence, { via: 'submit', validator: 0, inFlight: 4 });
      await load.progress(20);
      await remote.kill();
      await cp(join(signer.dir, 'backup'), data, { recursive: true, force: true });
      remote.start();
      await load.progress(20);
      await load.stop();
      await network.agreed();
      for (const validator of network.validators) {
        expect(await validator.metric('quaestor_consensus_halted')).toBe(0);
        expect(validator.logTail(100_000)).not.toMatch(/EQUIVOCATION/);
      }
    }),
    boundMs,
  );
});
