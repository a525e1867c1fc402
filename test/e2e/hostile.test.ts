/**
 * Attackers on the ports of real validators: connections without end, streams that say nothing, giant and nonsensical
 * messages, and a validator that votes for two blocks. The network goes on committing meanwhile, what it keeps for them is
 * bounded by numbers, and the equivocator is proven guilty to somebody who knows the genesis file only.
 * With QUAESTOR_HOSTILE_CONNECTIONS=10000 as many connections are made (`npm run fuzz:network`).
 */
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectionLimits } from '../../src/api/server.js';
import type { ClientTls } from '../../src/client/index.js';
import { encodeFrames } from '../../src/network/wire/connect.js';
import { encodeConsensusFrame, encodeEvidenceFrame } from '../../src/network/wire/frames.js';
import { asHeight, concatBytes } from '../../src/types/index.js';
import { mutateBytes } from '../fuzz/mutate-bytes.js';
import { runCli } from '../helpers/cli.js';
import { eventually } from '../helpers/eventually.js';
import { Prng } from '../helpers/prng.js';
import type { RawCall } from '../helpers/raw-peer.js';
import { impersonate, sendCommit, type Impersonation } from './impersonate.js';
import { Load, routes } from './load.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 120_000;
const connections = Number(process.env['QUAESTOR_HOSTILE_CONNECTIONS'] ?? 400);
const seed = 20_261;
/** Bounds of the peers' and of the local HTTP port. */
const [maxPendingPeers, maxHttp] = [128, 64];

let network: TestNetwork;
let victim: ValidatorProcess;
let load: Load;
let memberTls: ClientTls;
let operatorTls: ClientTls;
const closers: (() => void)[] = [];

beforeAll(async () => {
  network = await TestNetwork.start();
  victim = network.validators[1]!;
  memberTls = (await network.member('bank-alba')).tls;
  operatorTls = await network.operatorTls();
  load = await Load.start(network, routes.borealis, { via: 'submit', validator: 1, inFlight: 4 });
  await load.progress(4);
}, boundMs);

afterAll(async () => {
  for (const close of closers) close();
  await network.close();
});

const tlsOptions = ({ caPem, certificatePem, privateKeyPem }: ClientTls) => ({
  ca: caPem,
  cert: certificatePem,
  key: privateKeyPem,
  servername: 'localhost',
  checkServerIdentity: () => undefined,
});

/** Sockets that the other side has not closed. */
class Crowd {
  readonly #open = new Set<Socket>();

  constructor() {
    closers.push(() => this.disperse());
  }

  /** Opens so many connections that say what `greet` writes and nothing more. */
  async gather(count: number, port: number, greet?: (socket: Socket) => void): Promise<void> {
    for (let left = count; left > 0; left -= 100) {
      await Promise.all(
        Array.from({ length: Math.min(100, left) }, () => {
          const socket = connectTcp(port, '127.0.0.1');
          this.add(socket);
          return new Promise<void>((resolve) => {
            socket.once('connect', () => {
              greet?.(socket);
              resolve();
            });
            socket.once('close', () => resolve());
          });
        }),
      );
    }
  }

  add(socket: Socket): void {
    this.#open.add(socket);
    socket.on('error', () => undefined);
    socket.resume();
    socket.once('close', () => this.#open.delete(socket));
  }

  get size(): number {
    return this.#open.size;
  }

  disperse(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

function session(port: number, tls: ClientTls): ClientHttp2Session {
  const made = connectHttp2(`https://127.0.0.1:${port}`, tlsOptions(tls));
  made.on('error', () => undefined);
  closers.push(() => made.destroy());
  return made;
}

/** Calls a method with any bytes as its body. Resolves with the gRPC status, or -1 when the stream was cut. */
function call(
  by: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve) => {
    const request = by.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': '2S',
      ...headers,
    });
    let code = -1;
    const read = (found: Readonly<Record<string, unknown>>): void => {
      if ('grpc-status' in found) code = Number(found['grpc-status']);
    };
    request.on('response', read);
    request.on('trailers', read);
    request.on('error', () => undefined);
    request.on('close', () => resolve(code));
    request.resume();
    request.end(body);
  });
}

function framed(message: Uint8Array, length = message.length): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return concatBytes(head, message);
}

/** A stranger gets in as fast as before: it reads, and its payment is final. */
async function works(): Promise<void> {
  await load.progress(8);
  const fresh = network.connect(network.clientOptions(memberTls, [victim.index]));
  expect(await fresh.currentHeight()).toBeGreaterThan(0);
  fresh.close();
}

describe('under attack', () => {
  it(
    `by ${connections} connections to each port that never say who they are, a validator keeps a bounded number`,
    withLogTails(async () => {
      const { client, admin, peer, http } = victim.ports;
      const crowds = [client, admin, peer, http].map((port) => ({ port, crowd: new Crowd() }));
      for (const { port, crowd } of crowds) await crowd.gather(connections, port);
      // The first bytes of a TLS handshake that goes no further, for those who wait for more than silence.
      const started = new Crowd();
      await started.gather(connections, client, (socket) => socket.write(Buffer.from('160301020001', 'hex')));
      await works();
      const most = [
        connectionLimits.maxPending + connectionLimits.maxIdentified,
        connectionLimits.maxPending,
        maxPendingPeers,
        maxHttp,
      ];
      await eventually('what is too much was closed', () =>
        crowds.every(({ crowd }, index) => crowd.size <= most[index]!),
      );
      expect(crowds[0]!.crowd.size + started.size).toBeLessThanOrEqual(connectionLimits.maxPending);
      // A validator that comes back gets in past the strangers at the other's door.
      const other = network.validators[3]!;
      await other.stop();
      other.start();
      for (const { port, crowd } of crowds.slice(2, 3)) await crowd.gather(connections, port);
      await other.ready();
      for (const { crowd } of crowds) crowd.disperse();
      started.disperse();
      await network.whole();
    }),
    boundMs,
  );

  it(
    'by one member with too many connections, it refuses those beyond its share, and others get in',
    withLogTails(async () => {
      const crowd = new Crowd();
      const tls = await network.issue('member', 'bank-alba');
      const secured: Promise<void>[] = [];
      for (let count = 0; count < connectionLimits.maxPerIdentity + 40; count++) {
        const socket: TLSSocket = connectTls({
          ...tlsOptions(tls),
          port: victim.ports.client,
          host: '127.0.0.1',
          ALPNProtocols: ['h2'],
        });
        crowd.add(socket);
        secured.push(
          new Promise((resolve) => {
            socket.once('secureConnect', () => resolve());
            socket.once('close', () => resolve());
          }),
        );
      }
      await Promise.all(secured);
      await eventually('the rest is closed', () => crowd.size <= connectionLimits.maxPerIdentity);
      expect(crowd.size).toBeGreaterThan(connectionLimits.maxPerIdentity / 2);
      await load.progress(4);
      crowd.disperse();
      await works();
    }),
    boundMs,
  );

  it(
    'by streams that send half a message and wait, giant lengths and floods of headers, it goes on',
    withLogTails(async () => {
      const slow = session(victim.ports.client, memberTls);
      for (let count = 0; count < 60; count++) {
        const request = slow.request({
          ':method': 'POST',
          ':path': '/quaestor.ledger.v1.LedgerService/SubmitStream',
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        request.on('error', () => undefined);
        request.resume();
        // A length of a megabyte, and then next to nothing.
        request.write(framed(new Uint8Array(10), 1_000_000));
      }
      await works();
      const hasty = session(victim.ports.client, memberTls);
      const submit = '/quaestor.ledger.v1.LedgerService/Submit';
      const tooLarge = 8; // RESOURCE_EXHAUSTED
      expect(await call(hasty, submit, framed(new Uint8Array(100), 0xffff_fff0))).not.toBe(0);
      expect(await call(hasty, submit, framed(new Uint8Array(5 * 1024 * 1024)))).toBe(tooLarge);
      const many = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`x-${index}`, 'y']));
      expect(
        await call(session(victim.ports.client, memberTls), submit, framed(new Uint8Array(0)), many),
      ).not.toBe(0);
      const long = { 'x-long': 'z'.repeat(60_000) };
      expect(
        await call(session(victim.ports.client, memberTls), submit, framed(new Uint8Array(0)), long),
      ).not.toBe(0);
      await works();
      slow.destroy();
    }),
    boundMs,
  );

  it(
    `by messages that are nearly right (seed ${seed}), it answers each, and never that it has a defect`,
    withLogTails(async () => {
      const random = new Prng(seed);
      const samples = [
        Buffer.from('0a0474657374', 'hex'),
        Buffer.from('08051001', 'hex'),
        Buffer.from('0a20' + '07'.repeat(32) + '1005', 'hex'),
        Buffer.from('0a060a04deadbeef12046162636418ffffffffffffffff7f', 'hex'),
      ];
      const ledger = [
        'Submit',
        'GetTransaction',
        'GetBlock',
        'GetAccount',
        'ListAccounts',
        'ListAccountHistory',
        'GetStatus',
      ];
      const admin = ['GetNodeInfo', 'ListPeers', 'GetConsensusState', 'SetLogLevel', 'ListEvidence'];
      const surfaces = [
        [
          session(victim.ports.client, memberTls),
          ledger.map((name) => `/quaestor.ledger.v1.LedgerService/${name}`),
        ],
        [session(victim.ports.client, memberTls), ['/grpc.health.v1.Health/Check', '/nobody.Knows/This']],
        [
          session(victim.ports.admin, operatorTls),
          admin.map((name) => `/quaestor.admin.v1.AdminService/${name}`),
        ],
      ] as const;
      const unknown = 2;
      const internal = 13;
      for (const [by, paths] of surfaces) {
        for (const path of paths) {
          const bodies = Array.from({ length: 25 }, () => mutateBytes(random, samples, 4096));
          const answers = await Promise.all(bodies.map((body) => call(by, path, framed(body))));
          for (const [index, answer] of answers.entries()) {
            // The library that serves health says "internal" of what it cannot decode.
            const defect = answer === unknown || (answer === internal && !path.includes('Health'));
            if (!defect && answer !== -1) continue;
            throw new Error(`${path} answered ${answer} to ${Buffer.from(bodies[index]!).toString('hex')}`);
          }
        }
      }
      await works();
      const log = await readFile(join(network.dir, `${victim.id}.log`), 'utf8');
      expect(log).not.toMatch(/API_DEFECT|CONSENSUS_HALTED|should not have happened/);
    }),
    boundMs,
  );
});

describe('a validator that votes for two blocks', () => {
  const calls: RawCall[] = [];
  afterAll(() => {
    for (const raw of calls) raw.close();
  });

  /** A connection to the victim with all that the first validator has. */
  async function impersonated(culprit: ValidatorProcess): Promise<Impersonation> {
    const impersonation = await impersonate(network, culprit, victim);
    calls.push(impersonation.raw);
    return impersonation;
  }

  it(
    'is proven guilty at all others, by export, to a third party who has the genesis file only',
    withLogTails(async () => {
      await load.stop();
      const height = asHeight((await network.agreed()) + 1);
      const culprit = network.validators[0]!;
      await culprit.stop();
      const impersonation = await impersonated(culprit);
      for (const byte of [1, 2]) {
        await sendCommit(network, impersonation, { index: culprit.index, height, byte });
      }
      const others = network.validators.slice(1);
      await eventually('all others keep the proof', async () => {
        const kept = await Promise.all(
          others.map((other) => other.metric('quaestor_consensus_evidence_kept')),
        );
        return kept.every((count) => count === 1);
      });
      // It is nobody else's fault: they stay ready.
      for (const other of others) expect((await other.http('/readyz')).status).toBe(200);

      const last = others.at(-1)!;
      const profile = join(network.dir, 'network', 'operator');
      const asked = ['--config', last.config, '--profile', profile];
      const listed = await runCli(['evidence', 'list', ...asked, '--json']);
      expect([listed.code, listed.stderr]).toEqual([0, '']);
      const piece = { validator: culprit.id, phase: 'commit', view: 0, height };
      expect(JSON.parse(listed.stdout)).toMatchObject({ validator: last.id, evidence: [piece] });

      const file = join(network.dir, 'case.evidence');
      expect(await runCli(['evidence', 'export', ...asked, '--out', file])).toMatchObject({ code: 0 });
      const nobody = ['--validator', last.id, '--out', join(network.dir, 'none.evidence')];
      expect(await runCli(['evidence', 'export', ...asked, ...nobody])).toMatchObject({ code: 1 });
      const genesis = join(network.dir, 'network', 'genesis.yaml');
      const verified = await runCli(['evidence', 'verify', '--genesis', genesis, '--evidence', file]);
      expect(verified).toMatchObject({ code: 0, stderr: '' });
      expect(verified.stdout).toContain(`${culprit.id} signed two commits for different blocks:`);
      expect(verified.stdout).toContain(`height ${height}, view 0`);
    }),
    boundMs,
  );

  it(
    'and speaks nonsense to others is shut out, and the network is whole again once its true self is back',
    withLogTails(async () => {
      const culprit = network.validators[0]!;
      const { raw } = await impersonated(culprit);
      // Frames of the right form with nothing true in them are dropped one by one.
      const random = new Prng(seed);
      for (let count = 0; count < 200; count++) {
        const noise = mutateBytes(
          random,
          [new Uint8Array(40).fill(count), Uint8Array.of(0x12, 2, 8, 1)],
          400,
        );
        if (noise.length === 0) continue;
        raw.call.write(encodeFrames([encodeConsensusFrame(noise), encodeEvidenceFrame(noise)]));
      }
      // What is no frame ends the connection.
      raw.call.write(Buffer.from([0xff, 0xff, 0xff]));
      await raw.ended;
      for (const other of network.validators.slice(1)) expect(other.running).toBe(true);
      culprit.start();
      await network.whole();
      const more = await Load.start(network, routes.alba, { via: 'submit', validator: 2, inFlight: 2 });
      await more.progress(4);
      await more.stop();
    }),
    boundMs,
  );
});
