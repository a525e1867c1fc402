/** What operators and applications rely on day by day: health, metrics, tools, restarts without interruption. */
import { loadPackageDefinition, type Client } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ClientTls } from '../../src/client/index.js';
import { asHeight } from '../../src/types/index.js';
import { grpcCredentials } from '../helpers/api-servers.js';
import { eventually } from '../helpers/eventually.js';
import { followPayments, type SeenPayment } from './examples/follow-blocks.js';
import { pay } from './examples/submit-transfer.js';
import { explainReceipt } from './examples/verify-offline.js';
import { Load, routes } from './load.js';
import { shownCertificate } from './shown-certificate.js';
import { TestNetwork, withLogTails } from './network.js';

const boundMs = 120_000;
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.start();
}, boundMs);

afterAll(() => network.close());

describe('the examples', () => {
  it(
    'pay, follow the payments, and verify a receipt offline',
    withLogTails(async () => {
      const { member, fromAccount, toAccount, asset } = routes.alba;
      const { tls, signer } = await network.member(member);
      const options = network.clientOptions(tls);
      const payment = { sender: member, fromAccount, toAccount, asset, amount: 12_345n, endToEndId: 'INV-1' };
      const receipt = await pay(options, signer, payment);
      expect(explainReceipt(receipt, network.genesis)).toMatch(
        /^The transaction was settled in block \d+ at 20.*, as (validator-\d(, )?){3} signed\.$/,
      );
      // Run once more, with a transaction of its own, it pays nothing.
      await expect(pay(options, signer, payment)).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
      await expect(
        pay(options, signer, { ...payment, amount: 10n ** 20n, endToEndId: 'INV-2' }),
      ).rejects.toThrow(`Account ${fromAccount} does not hold enough ${asset}.`);

      const seen: SeenPayment[] = [];
      const stop = new AbortController();
      const following = followPayments(options, asHeight(1), stop.signal, (found) => seen.push(found));
      await eventually('the payment was seen', () => seen.length > 0);
      stop.abort();
      await following;
      expect(seen).toMatchObject([{ fromAccount, toAccount, amount: 12_345n }]);
    }),
    boundMs,
  );
});

describe('a rolling restart', () => {
  it(
    'interrupts no payment and no subscription',
    withLogTails(async () => {
      const load = await Load.start(network, routes.borealis, { via: 'submit', validator: 0, inFlight: 4 });
      const stream = await Load.start(network, routes.cadence, {
        via: 'submitMany',
        validator: 1,
        inFlight: 10,
      });
      const seen: SeenPayment[] = [];
      const stop = new AbortController();
      const { tls } = await network.member('bank-alba');
      const following = followPayments(network.clientOptions(tls), asHeight(1), stop.signal, (payment) =>
        seen.push(payment),
      );
      for (const validator of network.validators) {
        await Promise.all([load.progress(10), stream.progress(10)]);
        expect(await validator.stop()).toMatchObject({ code: 0, signal: null });
        await Promise.all([load.progress(10), stream.progress(10)]);
        validator.start();
        await network.whole();
      }
      await Promise.all([load.stop(), stream.stop()]);
      expect([...load.problems, ...stream.problems]).toEqual([]);
      const paid = load.acknowledged.size + stream.acknowledged.size;
      const ofLoads = (): readonly SeenPayment[] => seen.filter(({ amount }) => amount === 1n);
      await eventually('all payments were seen', () => ofLoads().length >= paid);
      stop.abort();
      await following;
      expect(ofLoads()).toHaveLength(paid);
      const heights = seen.map(({ height }) => height);
      expect(heights).toEqual([...heights].sort((left, right) => left - right));
      expect(network.logTails(100_000)).not.toMatch(/ ERROR |^\s+at /m);
    }),
    boundMs,
  );
});

describe('health', () => {
  it(
    'does not depend on the others: a node without a quorum lives, is ready, and says what is missing',
    withLogTails(async () => {
      const [one, two, three, four] = network.validators;
      for (const validator of network.validators) {
        expect(await validator.http('/healthz')).toEqual({ status: 200, body: 'ok\n' });
        await validator.ready();
      }
      expect(await serving(one!.clientAddress, await network.operatorTls())).toBe('SERVING');
      await Promise.all([two!, three!, four!].map((validator) => validator.kill()));
      await eventually(
        'it notices',
        async () => (await one!.metric('quaestor_network_peers_connected')) === 0,
      );
      expect(await one!.http('/healthz')).toMatchObject({ status: 200 });
      await one!.ready();
      const operator = await network.operator();
      const [status] = await operator.getStatusOfAll({ timeoutMs: 2000 });
      expect(status).toMatchObject({ status: { connectedValidators: 1, validators: 4, quorum: 3 } });
      expect(one!.logTail(30)).toMatch(/QUORUM_LOST .*3 are needed to commit/);
      await network.startAll();
      await eventually('it says that the quorum is back', () => /QUORUM_RESTORED/.test(one!.logTail(10)));
    }),
    boundMs,
  );
});

describe('metrics', () => {
  it(
    "follow Prometheus' rules and tell what happened",
    withLogTails(async () => {
      const [validator] = network.validators;
      const { body } = await validator!.http('/metrics');
      expect(problemsOf(body)).toEqual([]);
      const height = await network.agreed();
      for (const each of network.validators) {
        expect(await each.metric('quaestor_consensus_height')).toBe(height);
        expect(await each.metric('quaestor_network_peers_connected')).toBe(3);
        expect(await each.metric('quaestor_mempool_transactions')).toBe(0);
        expect(await each.metric('quaestor_consensus_halted')).toBe(0);
        expect(await each.metric('process_resident_memory_bytes')).toBeLessThan(300 * 1024 * 1024);
      }
      const primaries = await Promise.all(
        network.validators.map((each) => each.metric('quaestor_consensus_is_primary')),
      );
      expect(primaries.reduce((sum, is) => sum + is)).toBe(1);
    }),
    boundMs,
  );

  (installed('promtool') ? it : it.skip)(
    'pass promtool (skipped where it is not installed)',
    withLogTails(async () => {
      const { body } = await network.validators[0]!.http('/metrics');
      const output = execFileSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
      expect(output).toBe('');
    }),
    boundMs,
  );
});

describe('tools', () => {
  it(
    'find the services by reflection, for clients and for the operator',
    withLogTails(async () => {
      const [validator] = network.validators;
      const tls = await network.operatorTls();
      const services = await listServices(validator!.clientAddress, tls);
      expect(services).toEqual(
        expect.arrayContaining(['quaestor.ledger.v1.LedgerService', 'grpc.health.v1.Health']),
      );
      expect(await listServices(`127.0.0.1:${validator!.ports.admin}`, tls)).toContain(
        'quaestor.admin.v1.AdminService',
      );
    }),
    boundMs,
  );

  (installed('grpcurl') ? it : it.skip)(
    'such as grpcurl work out of the box (skipped where it is not installed)',
    withLogTails(() => {
      const [validator] = network.validators;
      const folder = join(network.dir, 'network', 'operator', 'tls');
      const grpcurl = (address: string, ...args: readonly string[]): string =>
        execFileSync(
          'grpcurl',
          [
            ...['-cacert', join(folder, 'ca.pem'), '-cert', join(folder, 'client.pem')],
            ...['-key', join(folder, 'client-key.pem'), address, ...args],
          ],
          { encoding: 'utf8' },
        );
      const admin = `127.0.0.1:${validator!.ports.admin}`;
      expect(grpcurl(validator!.clientAddress, 'list')).toContain('quaestor.ledger.v1.LedgerService');
      expect(grpcurl(validator!.clientAddress, 'describe', 'quaestor.ledger.v1.GetAccountRequest')).toContain(
        'bool include_proof = 3;',
      );
      const status = grpcurl(validator!.clientAddress, 'quaestor.ledger.v1.LedgerService/GetStatus');
      expect(JSON.parse(status)).toMatchObject({ validator: 'validator-1', connected_validators: 4 });
      expect(grpcurl(validator!.clientAddress, 'grpc.health.v1.Health/Check')).toContain('SERVING');
      expect(grpcurl(admin, 'quaestor.admin.v1.AdminService/GetNodeInfo')).toContain('validator-1');
      return Promise.resolve();
    }),
    boundMs,
  );
});

describe('certificates', () => {
  it(
    'are replaced without a restart',
    withLogTails(async () => {
      const [validator] = network.validators;
      const { tls } = await network.member('bank-alba');
      const former = await shownCertificate(validator!.ports.client, tls);
      const renewed = await network.renewCertificateOf(validator!);
      const fingerprint = new X509Certificate(renewed.certificatePem).fingerprint256;
      expect(fingerprint).not.toBe(former);
      await eventually(
        'it shows the new certificate',
        async () => (await shownCertificate(validator!.ports.client, tls)) === fingerprint,
      );
      const ports = ['peer', 'client', 'admin'] as const;
      const expirySeconds = Math.floor(
        Date.parse(new X509Certificate(renewed.certificatePem).validTo) / 1000,
      );
      const onAllPorts = async (): Promise<void> => {
        for (const surface of ports) {
          expect([surface, await shownCertificate(validator!.ports[surface], tls)]).toEqual([
            surface,
            fingerprint,
          ]);
          // The admin port has the certificate of the client port.
          const label = surface === 'peer' ? 'peer' : 'client';
          const metric = `quaestor_tls_certificate_expiry_timestamp_seconds{surface="${label}"}`;
          expect([surface, Math.floor(await validator!.metric(metric))]).toEqual([surface, expirySeconds]);
        }
      };
      await onAllPorts();
      // None of these takes its place, on any port.
      const aDay = 24 * 3600 * 1000;
      const expired = { nowMs: Date.now() - 3 * aDay, days: 1 };
      const rejections = (): number => validator!.logTail(100_000).split(' CERTIFICATE_REJECTED ').length;
      for (const [name, bad] of [
        ['expired', await network.issue('validator', validator!.id, { validity: expired })],
        ["another validator's", await network.issue('validator', network.validators[1]!.id)],
        ['unreadable', { ...renewed, certificatePem: 'no certificate' }],
        [
          'of another key',
          { ...renewed, privateKeyPem: (await network.issue('validator', validator!.id)).privateKeyPem },
        ],
      ] as const) {
        const before = rejections();
        await network.putCertificateOf(validator!, bad);
        await eventually(`what is ${name} is refused`, () => rejections() > before);
        await onAllPorts();
      }
      await network.putCertificateOf(validator!, renewed);
      // Both with the new one: those who come back connect, and payments go on.
      await network.validators[1]!.stop();
      await network.startAll();
      const load = await Load.start(network, routes.alba, { via: 'submit', validator: 0, inFlight: 2 });
      await load.progress(5);
      await load.stop();
    }),
    boundMs,
  );
});

function installed(tool: string): boolean {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with a page in Prometheus' text format. */
function problemsOf(page: string): readonly string[] {
  const problems: string[] = [];
  const types = new Map<string, string>();
  const series = new Set<string>();
  expect(page.endsWith('\n')).toBe(true);
  for (const line of page.split('\n')) {
    const declared = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (declared !== null) {
      const [, name = '', type = ''] = declared;
      if (types.has(name)) problems.push(`${name} is declared twice`);
      if ((type === 'counter') !== name.endsWith('_total')) problems.push(`${name} is a ${type}`);
      types.set(name, type);
      continue;
    }
    if (line === '' || /^# HELP [a-z_:][a-z0-9_:]* \S.*$/.test(line)) continue;
    const sample = /^([a-z_:][a-z0-9_:]*)(\{[^{}]*\})? (-?[0-9.]+(e[+-]?[0-9]+)?|[+-]Inf|NaN)$/i.exec(line);
    if (sample === null) {
      problems.push(`no sample: ${line}`);
      continue;
    }
    const [, name = '', labels = ''] = sample;
    if (!types.has(name) && !types.has(name.replace(/_(bucket|sum|count)$/, ''))) {
      problems.push(`${name} has no type`);
    }
    if (series.has(name + labels)) problems.push(`${name}${labels} is there twice`);
    series.add(name + labels);
  }
  for (const wanted of ['quaestor_build_info', 'quaestor_consensus_view', 'process_cpu_seconds_total']) {
    if (!types.has(wanted)) problems.push(`${wanted} is missing`);
  }
  return problems;
}

const packageFolder = (name: string): string =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));

/** A client of a service that a package defines. */
function clientOf(
  file: string,
  folder: string,
  service: readonly string[],
  address: string,
  tls: ClientTls,
): Client {
  let found: unknown = loadPackageDefinition(loadSync(file, { includeDirs: [folder], enums: String }));
  for (const name of service) found = (found as Record<string, unknown>)[name];
  const Service = found as new (address: string, credentials: unknown, options: object) => Client;
  return new Service(address, grpcCredentials(tls), { 'grpc.ssl_target_name_override': 'localhost' });
}

async function serving(address: string, tls: ClientTls): Promise<string> {
  const client = clientOf(
    'health/v1/health.proto',
    join(packageFolder('grpc-health-check'), 'proto'),
    ['grpc', 'health', 'v1', 'Health'],
    address,
    tls,
  ) as Client & {
    check(request: object, callback: (error: Error | null, answer?: { status: string }) => void): void;
  };
  try {
    return await new Promise((resolve, reject) => {
      client.check({ service: 'quaestor.ledger.v1.LedgerService' }, (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer?.status ?? '');
      });
    });
  } finally {
    client.close();
  }
}

async function listServices(address: string, tls: ClientTls): Promise<readonly string[]> {
  interface Stream extends NodeJS.EventEmitter {
    write(request: object): void;
    end(): void;
  }
  const client = clientOf(
    'grpc/reflection/v1/reflection.proto',
    join(packageFolder('@grpc/reflection'), 'build/proto'),
    ['grpc', 'reflection', 'v1', 'ServerReflection'],
    address,
    tls,
  ) as Client & { serverReflectionInfo(): Stream };
  try {
    return await new Promise((resolve, reject) => {
      const stream = client.serverReflectionInfo();
      stream.on('error', reject);
      stream.on('data', (answer: { listServicesResponse: { service: { name: string }[] } }) => {
        resolve(answer.listServicesResponse.service.map(({ name }) => name));
        stream.end();
      });
      stream.write({ listServices: '' });
    });
  } finally {
    client.close();
  }
}
