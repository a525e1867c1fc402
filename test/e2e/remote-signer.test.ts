/**
 * A network with one validator on a remote signer commits; the signer dies and comes back; the validator starts from an
 * older data folder and contradicts nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../src/types/index.js';
import { eventually } from '../helpers/eventually.js';
import { Load, routes } from './load.js';
import { mainProgram } from './command-line.js';
import { TestNetwork, withLogTails } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

const boundMs = 180_000;
let network: TestNetwork;
let signer: ChildProcess | undefined;
let folder: string;
let remote: ValidatorProcess;

function run(...words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [mainProgram, 'signer', ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = createWriteStream(join(folder, 'signer.log'), { flags: 'a' });
  child.stdout?.pipe(log);
  child.stderr?.pipe(log);
  return child;
}
const signerLog = (): string => readFileSync(join(folder, 'signer.log'), 'utf8');
const startSigner = async (): Promise<void> => {
  const before = signerLog().length;
  signer = run('start', '--config', join(folder, 'signer.yaml'));
  await eventually('the signer listens', () => /"surface":"signer"/.test(signerLog().slice(before)));
};
const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

beforeAll(async () => {
  network = await TestNetwork.create();
  remote = network.validators[3]!;
  folder = join(network.dir, 'signer');
  await mkdir(join(folder, 'tls'), { recursive: true });
  await writeFile(join(folder, 'signer.log'), '');
  const { publicKey } = network.genesis.validators[remote.index]!;
  const [place, client] = await Promise.all([
    network.issue('signer', remote.id),
    network.issue('validator', remote.id),
  ]);
  for (const [name, text] of [
    ['ca', place.caPem],
    ['signer', place.certificatePem],
    ['signer-key', place.privateKeyPem],
    ['client', client.certificatePem],
    ['client-key', client.privateKeyPem],
  ] as const) {
    await writeFile(join(folder, 'tls', `${name}.pem`), text, { mode: 0o600 });
  }
  // Above the ports of the network's validators, in its range.
  const port = remote.ports.peer + 9;
  const text = await readFile(remote.config, 'utf8');
  const keyLine = /^key:.*(\n {2}.*)*$/m;
  const file = /file: ?"?([^,"\n }]+)/.exec(keyLine.exec(text)![0])![1]!;
  const password = /passwordFile: ?"?([^,"\n }]+)/.exec(keyLine.exec(text)![0])![1]!;
  const genesisFile = /genesis: ?"?([^,"\n }]+)/.exec(text)![1]!;
  const tls = (name: string): string =>
    `{ ca: ${folder}/tls/ca.pem, cert: ${folder}/tls/${name}.pem, key: ${folder}/tls/${name}-key.pem }`;
  await writeFile(
    join(folder, 'signer.yaml'),
    `validator: ${remote.id}
genesis: ${join(remote.dir, genesisFile)}
stateDir: ${folder}/state
listen: { validator: "127.0.0.1:${port}", http: "127.0.0.1:0" }
tls: ${tls('signer')}
key: { file: ${join(remote.dir, file)}, passwordFile: ${join(remote.dir, password)} }
`,
  );
  await writeFile(
    remote.config,
    text.replace(
      keyLine,
      `key: { remote: { address: "127.0.0.1:${port}", publicKey: ${toHex(publicKey)}, timeout: 2s, tls: ${tls('client')} } }`,
    ),
  );
  await new Promise<void>((resolve, reject) => {
    run('init', '--config', join(folder, 'signer.yaml')).once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(signerLog())),
    );
  });
  await startSigner();
  await network.startAll();
}, boundMs);

afterAll(async () => {
  if (signer !== undefined) await killed(signer);
  await network.close();
});

describe('a validator on a remote signer', () => {
  it(
    'votes, says so when the signer is away, and votes again when it is back',
    withLogTails(async () => {
      const load = await Load.start(network, routes.borealis, { via: 'submit', validator: 0, inFlight: 4 });
      await load.progress(20);
      expect(await remote.metric('quaestor_signer_duration_seconds_count')).toBeGreaterThan(0);
      await killed(signer!);
      await eventually('it is not ready', async () => (await remote.http('/readyz')).status === 503);
      expect((await remote.http('/readyz')).body).toMatch(/The validator key cannot be used/);
      expect(remote.logTail(50)).toMatch(/SIGNER_NOT_READY .*does not vote/);
      await load.progress(20);
      await startSigner();
      await remote.ready();
      const before = await remote.metric('quaestor_signer_duration_seconds_count');
      await load.progress(20);
      await eventually(
        'it votes again',
        async () => (await remote.metric('quaestor_signer_duration_seconds_count')) > before,
      );
      await load.stop();
      expect(load.problems).toEqual([]);
      expect(signerLog()).not.toMatch(/"refusal"/);
    }),
    boundMs,
  );

  it(
    'that starts from an older data folder contradicts nothing',
    withLogTails(async () => {
      await remote.stop();
      const data = join(remote.dir, 'data');
      await cp(data, join(folder, 'backup'), { recursive: true });
      remote.start();
      await network.whole();
      const load = await Load.start(network, routes.cadence, { via: 'submit', validator: 0, inFlight: 4 });
      await load.progress(20);
      await remote.kill();
      await cp(join(folder, 'backup'), data, { recursive: true, force: true });
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
