import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  loadClientProfile,
  loadGenesis,
  loadNodeConfig,
  type NodeConfig,
} from '../../../src/config/index.js';
import { openKeyFile } from '../../../src/crypto/native/index.js';
import { openConfiguredKey } from '../../helpers/configured-key.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { readIdentity } from '../../../src/network/pki/index.js';
import { toHex } from '../../../src/types/index.js';
import { runCli } from '../../helpers/cli.js';

// Each case starts processes; on a busy machine that takes its time.
jest.setTimeout(120_000);

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quaestor-init-'));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const genesisOf = async (file: string) => {
  const loaded = await loadGenesis(file);
  if (!loaded.ok) throw loaded.error;
  return loaded.value;
};
const configOf = async (file: string): Promise<NodeConfig> => {
  const loaded = await loadNodeConfig(file, {});
  if (!loaded.ok) throw loaded.error;
  return loaded.value;
};

describe('quaestor init', () => {
  it('makes a network of which every file loads and every key fits', async () => {
    const dir = join(parent, 'four');
    const { code, stdout } = await runCli(['init', '--dir', dir, '--base-port', '20000', '--json']);
    expect(code).toBe(0);
    const genesis = await genesisOf(join(dir, 'genesis.yaml'));
    expect(JSON.parse(stdout)).toMatchObject({
      dir,
      chainId: toHex(genesisChainId(genesis)),
      operatorProfile: join(dir, 'operator'),
    });
    expect(genesis.validators).toHaveLength(4);
    const addresses = new Set<string>();
    for (const [index, { id, publicKey }] of genesis.validators.entries()) {
      const config = await configOf(join(dir, 'validators', id, 'validator.yaml'));
      expect(config.validator).toBe(id);
      expect(config.peers).toHaveLength(3);
      expect(config.listen.client).toEqual({ host: '127.0.0.1', port: 20_001 + 10 * (index + 1) });
      for (const { host, port } of Object.values(config.listen)) addresses.add(`${host}:${port}`);
      expect(await genesisOf(config.network.genesisFile)).toEqual(genesis);
      const signer = await openConfiguredKey(config.key);
      expect(toHex(signer.publicKey)).toBe(toHex(publicKey));
      expect(readIdentity(await readFile(config.tls.peer.cert, 'utf8'))).toMatchObject({
        ok: true,
        value: { network: genesis.network, role: 'validator', id },
      });
    }
    expect(addresses.size).toBe(16);
    for (const { member, policy } of genesis.members) {
      const profile = await loadClientProfile(join(dir, 'clients', member));
      if (!profile.ok) throw profile.error;
      expect(profile.value.member).toBe(member);
      expect(profile.value.validators).toHaveLength(4);
      const [key] = profile.value.keys;
      const signer = await openKeyFile(key!.file, key!.passwordFile);
      expect(policy.keys.map(({ publicKey }) => toHex(publicKey))).toEqual([toHex(signer.publicKey)]);
      expect(readIdentity(await readFile(profile.value.tls.cert, 'utf8'))).toMatchObject({
        value: { role: 'member', id: member },
      });
    }
    const operator = await loadClientProfile(join(dir, 'operator'));
    expect(operator).toMatchObject({ ok: true, value: { member: undefined, keys: [] } });
  });

  it('lets nobody else read a secret', async () => {
    const dir = join(parent, 'modes');
    expect(await runCli(['init', '--dir', dir])).toMatchObject({ code: 0 });
    const names = await readdir(dir, { recursive: true });
    const secrets = names.filter((name) => /(\.key|\.password|-key\.pem)$/.test(name));
    // 4 validators and 6 members with key, password and TLS key; the operator's TLS key; the authority's.
    expect(secrets).toHaveLength(4 * 3 + 6 * 3 + 1 + 1);
    for (const name of secrets)
      expect([name, (await stat(join(dir, name))).mode & 0o777]).toEqual([name, 0o600]);
  });

  it.each([1, 3, 7])('makes a network of %i validators, each hosted by a member', async (validators) => {
    const dir = join(parent, `n${validators}`);
    expect(await runCli(['init', '--dir', dir, '--validators', String(validators)])).toMatchObject({
      code: 0,
    });
    const genesis = await genesisOf(join(dir, 'genesis.yaml'));
    expect(genesis.validators).toHaveLength(validators);
    expect(new Set(genesis.validators.map(({ id }) => id)).size).toBe(validators);
    const members = new Set(genesis.members.map(({ member }) => member));
    expect(genesis.validators.every(({ member }) => members.has(member))).toBe(true);
    await configOf(join(dir, 'validators', genesis.validators.at(-1)!.id, 'validator.yaml'));
  });

  it('touches no folder that holds something, and leaves nothing behind when it fails', async () => {
    const dir = await mkdtemp(join(parent, 'full-'));
    await writeFile(join(dir, 'notes.txt'), 'mine');
    const refused = await runCli(['init', '--dir', dir]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is not empty') });
    expect(await readdir(dir)).toEqual(['notes.txt']);

    const world = join(parent, 'world.yaml');
    await writeFile(world, 'network: x\nmembers: []\n');
    const before = await readdir(parent);
    const invalid = await runCli(['init', '--dir', join(parent, 'never'), '--world', world]);
    expect(invalid).toMatchObject({ code: 2, stderr: expect.stringContaining(`${world}:`) });
    expect(await readdir(parent)).toEqual(before);
  });
});
