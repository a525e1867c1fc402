import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeyFile } from '../../../src/crypto/native/index.js';
import { createAuthority, readIdentity } from '../../../src/network/pki/index.js';
import { toHex } from '../../../src/types/index.js';
import { runCli } from '../../helpers/cli.js';

// Each case starts processes; on a busy machine that takes its time.
jest.setTimeout(120_000);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quaestor-keys-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('quaestor keys', () => {
  it('makes a key that its password opens, shows the same public key, and overwrites nothing', async () => {
    const file = join(dir, 'member.key');
    const made = await runCli(['keys', 'generate', '--out', file, '--json']);
    expect(made.code).toBe(0);
    const { publicKey, passwordFile } = JSON.parse(made.stdout) as Record<string, string>;
    const signer = await openKeyFile(file, passwordFile!);
    expect(toHex(signer.publicKey)).toBe(publicKey);
    expect(await runCli(['keys', 'show', file])).toMatchObject({ code: 0, stdout: `${publicKey!}\n` });
    const again = await runCli(['keys', 'generate', '--out', file]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') });
  });

  it('takes a password from a file that only the owner may read', async () => {
    const passwordFile = join(dir, 'given.password');
    await writeFile(passwordFile, 'correct horse\n', { mode: 0o600 });
    const file = join(dir, 'given.key');
    const generate = () => runCli(['keys', 'generate', '--out', file, '--password-file', passwordFile]);
    await chmod(passwordFile, 0o644);
    expect(await generate()).toMatchObject({ code: 1, stderr: expect.stringContaining('chmod 600') });
    await chmod(passwordFile, 0o600);
    expect(await generate()).toMatchObject({ code: 0 });
    await expect(openKeyFile(file, passwordFile)).resolves.toBeDefined();
  });

  it('requests a certificate and issues it for whom the authority names', async () => {
    const validity = { nowMs: Date.now(), days: 10 };
    const { certificatePem, privateKeyPem } = await createAuthority('consortium', validity);
    await writeFile(join(dir, 'ca.pem'), certificatePem);
    await writeFile(join(dir, 'ca-key.pem'), privateKeyPem);
    const request = ['--network', 'consortium', '--role', 'member', '--id', 'bank-alba'];
    const out = join(dir, 'client');
    expect(await runCli(['keys', 'request', ...request, '--out', out])).toMatchObject({ code: 0 });
    expect((await stat(`${out}-key.pem`)).mode & 0o777).toBe(0o600);
    const certified = await runCli([
      'keys',
      'certify',
      ...['--authority', dir, '--request', `${out}.csr.pem`, '--out', `${out}.pem`],
      // The request says member: what counts is what the authority says.
      ...['--network', 'consortium', '--role', 'operator', '--id', 'night-shift'],
    ]);
    expect(certified).toMatchObject({ code: 0 });
    const pem = await readFile(`${out}.pem`, 'utf8');
    expect(readIdentity(pem)).toMatchObject({ value: { role: 'operator', id: 'night-shift' } });
    expect(new X509Certificate(pem).verify(new X509Certificate(certificatePem).publicKey)).toBe(true);
    const garbage = join(dir, 'garbage.pem');
    await writeFile(garbage, 'no request');
    const refused = await runCli([
      'keys',
      'certify',
      ...['--authority', dir, '--request', garbage, '--out', join(dir, 'no.pem'), ...request],
    ]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('PKCS #10') });
  });
});
