/** Keys on a token, with SoftHSM 2 as the module: a real implementation of PKCS #11, in software. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyZip215 } from '../../src/crypto/index.js';
import { describeWithToken } from './soft-token.js';

const module = '/usr/lib/softhsm/libsofthsm2.so';
const program = join(process.cwd(), 'dist', 'cli', 'main.js');
const native = join(process.cwd(), 'dist', 'crypto', 'native', 'index.js');

/** Signs, finds the token gone, waits for it, signs again. */
const script = `
  import { renameSync, mkdirSync, rmSync } from 'node:fs';
  import { Pkcs11Signer } from ${JSON.stringify(native)};
  const [dir, module, key] = process.argv.slice(2);
  const publicKey = new Uint8Array(Buffer.from(key, 'hex'));
  const states = [];
  const options = { module, tokenLabel: 'bank-alba', keyLabel: 'v1', pinFile: dir + '/pin', publicKey };
  const until = async (condition) => { while (!condition()) await new Promise((next) => setTimeout(next, 20)); };
  const messages = Array.from({ length: 20 }, (_, index) => Buffer.from('vote ' + index));
  const first = await Pkcs11Signer.open({ ...options, changed: () => undefined });
  const signed = await Promise.all(messages.map((message) => first.sign(message)));
  await first.close();
  renameSync(dir + '/tokens', dir + '/away');
  mkdirSync(dir + '/tokens');
  const second = await Pkcs11Signer.open({ ...options, changed: (ready, reason) => states.push(reason ?? 'ready') });
  const asked = second.sign(messages[0]);
  await until(() => states.length > 0);
  rmSync(dir + '/tokens', { recursive: true });
  renameSync(dir + '/away', dir + '/tokens');
  const late = await asked;
  await second.close();
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  console.log(JSON.stringify({ signed: signed.map(hex), late: hex(late), states }));
`;

describeWithToken('a key on a token (needs the Debian package softhsm2)', () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'quaestor-hsm-'));
    mkdirSync(join(dir, 'tokens'));
    const conf = join(dir, 'softhsm2.conf');
    writeFileSync(conf, `directories.tokendir = ${join(dir, 'tokens')}\nobjectstore.backend = file\n`);
    writeFileSync(join(dir, 'pin'), '4321\n', { mode: 0o600 });
    writeFileSync(join(dir, 'wrong'), '9999\n', { mode: 0o600 });
    env = { ...process.env, SOFTHSM2_CONF: conf };
    const labels = ['--label', 'bank-alba', '--pin', '4321', '--so-pin', '8765'];
    execFileSync('softhsm2-util', ['--init-token', '--free', ...labels], { env, stdio: 'ignore' });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const token = (verb: string, options: Readonly<Record<string, string>> = {}) => {
    const all = {
      'token-label': 'bank-alba',
      'key-label': 'v1',
      'pin-file': join(dir, 'pin'),
      module,
      ...options,
    };
    const words = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
    const { stdout, stderr } = spawnSync(process.execPath, [program, 'keys', 'token', verb, ...words], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    return { publicKey: /[0-9a-f]{64}/.exec(stdout)?.[0] ?? '', stderr };
  };

  it('is made there, signs by the rule of the network, and is waited for while the token is away', () => {
    const { publicKey } = token('generate');
    expect(publicKey).not.toBe('');
    expect(token('show').publicKey).toBe(publicKey);
    expect(token('generate').stderr).toMatch(/has a key "v1" already/);
    expect(token('show', { 'token-label': 'other' }).stderr).toMatch(/there is no token "other"/);
    expect(token('show', { 'key-label': 'other' }).stderr).toMatch(/no Ed25519 private keys "other"/);
    expect(token('show', { 'pin-file': join(dir, 'wrong') }).stderr).toMatch(/CKR_PIN_INCORRECT/);
    writeFileSync(join(dir, 'sign.mjs'), script);
    const { stdout, stderr, status, signal } = spawnSync(
      process.execPath,
      [join(dir, 'sign.mjs'), dir, module, publicKey],
      { env, encoding: 'utf8', timeout: 20_000 },
    );
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    const seen = JSON.parse(stdout) as { signed: string[]; late: string; states: string[] };
    for (const [index, signature] of seen.signed.entries()) {
      const message = Buffer.from(`vote ${index}`);
      expect(verifyZip215(Buffer.from(publicKey, 'hex'), message, Buffer.from(signature, 'hex'))).toBe(true);
    }
    expect(seen.late).toBe(seen.signed[0]);
    expect(seen.states[0]).toMatch(/there is no token "bank-alba"/);
    expect(seen.states.at(-1)).toBe('ready');
  }, 120_000);
});
