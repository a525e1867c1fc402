/** Files of a network for a measurement: genesis, keys, certificates, configurations; as an operator would have them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Genesis } from '../../src/codec/index.js';
import { renderGenesisJson } from '../../src/config/index.js';
import {
  generateKeyPair,
  type KeyPair,
  writeKeystore,
  writePasswordFile,
} from '../../src/crypto/native/index.js';
import { createAuthority, issueCertificate, type KeyAndCertificate } from '../../src/network/pki/index.js';
import { asAmount, asHeight } from '../../src/types/index.js';
import type { ClientTls } from '../../src/client/index.js';

export interface WorldOptions {
  readonly dir: string;
  readonly validators: number;
  readonly accounts: number;
  readonly members: number;
  /** YAML lines that go into every validator's configuration. */
  readonly config: readonly string[];
}

/** A member with what its load generator needs. */
export interface LoadMember {
  readonly id: string;
  readonly seed: Uint8Array;
  readonly tls: ClientTls;
  readonly accounts: readonly string[];
}

export interface ValidatorFiles {
  readonly id: string;
  readonly dir: string;
  readonly config: string;
  readonly clientAddress: string;
  readonly httpPort: number;
}

export interface World {
  readonly genesis: Genesis;
  readonly genesisFile: string;
  readonly validators: readonly ValidatorFiles[];
  readonly members: readonly LoadMember[];
}

const network = 'bench';
export const asset = 'CHF';
const openingBalance = asAmount(10n ** 15n);

/** Writes everything into `dir`, which must not exist yet. */
export async function makeWorld(options: WorldOptions): Promise<World> {
  const { dir } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const validity = { nowMs: Date.now(), days: 2 };
  const authority = await createAuthority(network, validity);
  const memberIds = Array.from({ length: options.members }, (_, index) => `member-${index + 1}`);
  const memberKeys = memberIds.map(() => generateKeyPair());
  const accounts = Array.from({ length: options.accounts }, (_, index) => ({
    account: `ACC${String(index).padStart(9, '0')}`,
    owner: memberIds[index % memberIds.length] ?? '',
  }));
  const validatorKeys = Array.from({ length: options.validators }, () => generateKeyPair());
  const genesis: Genesis = {
    network,
    timeMs: validity.nowMs,
    validators: validatorKeys.map(({ publicKey }, index) => ({
      id: `validator-${index + 1}`,
      member: memberIds[index % memberIds.length] ?? '',
      publicKey,
    })),
    members: memberIds.map((member, index) => ({
      member,
      name: member,
      roles: [],
      policy: {
        threshold: 1,
        keys: [{ publicKey: keyAt(memberKeys, index).publicKey, weight: 1 }],
      },
    })),
    assets: [{ asset, exponent: 2, issuer: memberIds[0] ?? '', name: 'Swiss franc' }],
    accounts: accounts.map((account) => ({ ...account, openedHeight: asHeight(0) })),
    balances: accounts.map(({ account }) => ({ account, asset, amount: openingBalance })),
    parameters: {
      validityWindowBlocks: 1000,
      maxBlockTransactions: 2000,
      maxBlockBytes: 4 * 1024 * 1024,
      maxClockSkewMs: 5000,
      checkpointIntervalBlocks: 100,
      pipelineWindowBlocks: 8,
    },
  };
  const genesisFile = join(dir, 'genesis.json');
  await writeFile(genesisFile, renderGenesisJson(genesis));
  const ports = await freePorts(options.validators * 4);
  const portAt = (index: number): number => ports[index] ?? 0;
  const peers = genesis.validators.flatMap(({ id }, index) => [
    `  - validator: ${id}`,
    `    address: 127.0.0.1:${portAt(index * 4)}`,
  ]);
  const validators: ValidatorFiles[] = [];
  for (const [index, { id }] of genesis.validators.entries()) {
    const folder = join(dir, id);
    await mkdir(folder, { mode: 0o700 });
    const certificate = await issueCertificate(
      authority,
      { identity: { network, role: 'validator', id }, hosts: ['127.0.0.1', 'localhost'] },
      validity,
    );
    await writeTls(folder, authority, certificate);
    const password = 'bench';
    must(
      await writeKeystore(join(folder, 'validator.key'), keyAt(validatorKeys, index), password, {
        scryptCost: { n: 2 ** 14, r: 8, p: 1 },
      }),
    );
    must(await writePasswordFile(join(folder, 'validator.password'), password));
    const config = join(folder, 'config.yaml');
    const tls = '{ ca: ca.pem, cert: cert.pem, key: key.pem }';
    const lines = [
      `validator: ${id}`,
      'dataDir: data',
      'network: { genesis: ../genesis.json }',
      'peers:',
      ...peers,
      'listen:',
      `  peer: 127.0.0.1:${portAt(index * 4)}`,
      `  client: 127.0.0.1:${portAt(index * 4 + 1)}`,
      `  admin: 127.0.0.1:${portAt(index * 4 + 2)}`,
      `  http: 127.0.0.1:${portAt(index * 4 + 3)}`,
      'tls:',
      `  peer: ${tls}`,
      `  client: ${tls}`,
      'key: { file: validator.key, passwordFile: validator.password }',
      ...options.config,
    ];
    await writeFile(config, `${lines.join('\n')}\n`);
    validators.push({
      id,
      dir: folder,
      config,
      clientAddress: `127.0.0.1:${portAt(index * 4 + 1)}`,
      httpPort: portAt(index * 4 + 3),
    });
  }
  const members = await Promise.all(
    memberIds.map(async (id, index): Promise<LoadMember> => {
      const certificate = await issueCertificate(
        authority,
        { identity: { network, role: 'member', id }, hosts: [] },
        validity,
      );
      return {
        id,
        seed: keyAt(memberKeys, index).seed,
        tls: { caPem: authority.certificatePem, ...certificate },
        accounts: accounts.filter(({ owner }) => owner === id).map(({ account }) => account),
      };
    }),
  );
  return { genesis, genesisFile, validators, members };
}

function keyAt(keys: readonly KeyPair[], index: number) {
  const key = keys[index];
  if (key === undefined) throw new RangeError(`there is no key ${index}`);
  return key;
}

function must(result: { readonly ok: true } | { readonly ok: false; readonly error: Error }): void {
  if (!result.ok) throw result.error;
}

async function writeTls(folder: string, authority: KeyAndCertificate, own: KeyAndCertificate): Promise<void> {
  await writeFile(join(folder, 'ca.pem'), authority.certificatePem);
  await writeFile(join(folder, 'cert.pem'), own.certificatePem);
  await writeFile(join(folder, 'key.pem'), own.privateKeyPem, { mode: 0o600 });
}

/** Ports of the loopback interface that are free at the moment. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<{ readonly port: number; close(): Promise<void> }>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            const port = typeof address === 'object' && address !== null ? address.port : 0;
            resolve({
              port,
              close: () => new Promise((closed) => void server.close(() => closed())),
            });
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => server.close()));
  return servers.map(({ port }) => port);
}
