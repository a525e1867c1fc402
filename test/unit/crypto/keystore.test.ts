import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyZip215 } from '../../../src/crypto/index.js';
import {
  generateKeyPair,
  keyPairFromSeed,
  KeySigner,
  openKeyFile,
  openKeystore,
  readKeystore,
  readKeystorePublicKey,
  readPasswordFile,
  writeKeystore,
  writePasswordFile,
  type KeyFileError,
  type ScryptCost,
} from '../../../src/crypto/native/index.js';
import { toHex, type Result } from '../../../src/types/index.js';
import { hex, readVectors } from '../../helpers/vectors.js';

/** The weakest cost that is accepted, to be quick. */
const scryptCost: ScryptCost = { n: 2 ** 14, r: 8, p: 1 };
const password = 'correct horse battery staple';

function failure(result: Result<unknown, KeyFileError>): KeyFileError {
  if (result.ok) throw new Error('expected a failure');
  return result.error;
}

function success<T>(result: Result<T, KeyFileError>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

describe('key files', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quaestor-keys-'));
    path = join(folder, 'validator.key');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('hold a key that signs after it was opened with its password', async () => {
    const keyPair = generateKeyPair();
    success(await writeKeystore(path, keyPair, password));
    const signer = success(await openKeystore(path, password));
    expect(signer.publicKey).toEqual(keyPair.publicKey);
    const message = Uint8Array.of(1, 2, 3);
    expect(verifyZip215(keyPair.publicKey, message, await signer.sign(message))).toBe(true);
    signer.close();
    await expect(signer.sign(message)).rejects.toMatchObject({ code: 'SIGNER_CLOSED' });
  });

  it('say whose key they hold without the password, and show nothing of the secret', async () => {
    const keyPair = generateKeyPair();
    success(await writeKeystore(path, keyPair, password, { scryptCost }));
    expect(success(await readKeystorePublicKey(path))).toEqual(keyPair.publicKey);
    const text = await readFile(path, 'utf8');
    expect(text).not.toContain(toHex(keyPair.seed));
    expect(text).not.toContain(password);
    expect(success(await readKeystore(path, password)).seed).toEqual(keyPair.seed);
  });

  it('are for their owner only, leave no temporary file behind, and replace nothing by accident', async () => {
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const before = await readFile(path, 'utf8');
    expect(failure(await writeKeystore(path, generateKeyPair(), password, { scryptCost }))).toMatchObject({
      code: 'KEY_FILE_EXISTS',
      details: { path },
    });
    expect(await readFile(path, 'utf8')).toBe(before);
    const next = generateKeyPair();
    success(await writeKeystore(path, next, password, { scryptCost, overwrite: true }));
    expect(success(await readKeystorePublicKey(path))).toEqual(next.publicKey);
    expect(await readdir(folder)).toEqual(['validator.key']);
  });

  it('are refused when others may read them, with the command that helps', async () => {
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    for (const mode of [0o640, 0o604, 0o620, 0o660, 0o644]) {
      await chmod(path, mode);
      const error = failure(await openKeystore(path, password));
      expect(error.code).toBe('KEY_FILE_EXPOSED');
      expect(error.message).toContain(`chmod 600 '${path}'`);
      expect(failure(await readPasswordFile(path)).code).toBe('KEY_FILE_EXPOSED');
    }
    await chmod(path, 0o400);
    success(await openKeystore(path, password));
  });

  // A secret that Kubernetes mounts with an fsGroup: root's, readable by the group of the process.
  const ofRoot = process.getuid?.() === 0 ? it : it.skip;
  ofRoot(
    'may be readable by the group when they belong to root and the process is another user',
    async () => {
      success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
      const passwordPath = join(folder, 'password');
      success(await writePasswordFile(passwordPath, password));
      const user = jest.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(65532);
      try {
        for (const file of [path, passwordPath]) await chmod(file, 0o440);
        expect((await openKeyFile(path, passwordPath)).publicKey).toHaveLength(32);
        for (const mode of [0o444, 0o460, 0o441]) {
          await chmod(path, mode);
          await expect(openKeyFile(path, passwordPath)).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' });
        }
      } finally {
        user.mockRestore();
      }
    },
  );

  it('do not open with another password', async () => {
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    for (const wrong of ['', 'Correct horse battery staple', `${password} `]) {
      expect(failure(await openKeystore(path, wrong)).code).toBe('KEY_FILE_PASSWORD');
    }
    expect(failure(await writeKeystore(join(folder, 'other'), generateKeyPair(), '')).code).toBe(
      'KEY_FILE_EMPTY_PASSWORD',
    );
  });

  it('open with the same password in another Unicode form', async () => {
    success(await writeKeystore(path, generateKeyPair(), 'zürich', { scryptCost }));
    success(await openKeystore(path, 'zu\u0308rich'));
  });

  it('are refused when any byte of what they hold was changed', async () => {
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    const text = await readFile(path, 'utf8');
    const flip = (digits: string): string => (digits.startsWith('0') ? '1' : '0') + digits.slice(1);
    for (const name of ['publicKey', 'salt', 'nonce', 'ciphertext', 'tag']) {
      const pattern = new RegExp(`("${name}": ")([0-9a-f]+)`);
      await writeFile(
        path,
        text.replace(pattern, (_, start: string, digits: string) => start + flip(digits)),
      );
      expect([name, failure(await openKeystore(path, password)).code]).toEqual([name, 'KEY_FILE_PASSWORD']);
    }
  });

  it('are refused with a reason when they are malformed or ask for too little or too much work', async () => {
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    const text = await readFile(path, 'utf8');
    const cases: [string, string][] = [
      ['not JSON', text.slice(0, -10)],
      ['"format"', '[]'],
      ['"format"', 'null'],
      ['"version"', text.replace('"version": 1', '"version": 2')],
      ['"publicKey"', text.replace(/"publicKey": "../, '"publicKey": "')],
      ['"kdf.salt"', text.replace(/"salt": "../, '"salt": "zz')],
      ['"kdf"', text.replace('"n": 16384', '"n": 16385')],
      ['"kdf"', text.replace('"n": 16384', '"n": 1024')],
      ['"kdf"', text.replace('"n": 16384', '"n": 1073741824')],
      ['"kdf"', text.replace('"r": 8', '"r": 1e9')],
      ['"kdf"', text.replace('"p": 1', '"p": 1000000')],
      ['"kdf"', text.replace('"p": 1', '"p": null')],
      ['"cipher', text.replace('aes-256-gcm', 'none')],
      ['"cipher"', text.replace(/"tag": "../, '"tag": "')],
      ['bytes', 'x'.repeat(100_000)],
    ];
    for (const [reason, content] of cases) {
      await writeFile(path, content);
      const error = failure(await openKeystore(path, password));
      expect([error.code, error.message]).toEqual(['KEY_FILE_CORRUPT', expect.stringContaining(reason)]);
    }
  });

  it('that are missing, or not files, or not writable are told apart', async () => {
    expect(failure(await openKeystore(path, password)).code).toBe('KEY_FILE_MISSING');
    await mkdir(path);
    expect(failure(await openKeystore(path, password)).code).toBe('KEY_FILE_UNREADABLE');
    const nowhere = join(folder, 'no', 'such', 'folder');
    const error = failure(await writeKeystore(nowhere, generateKeyPair(), password, { scryptCost }));
    expect(error).toMatchObject({ code: 'KEY_FILE_UNWRITABLE', message: expect.stringContaining('folder') });
  });

  it('open with a password file', async () => {
    const passwordPath = join(folder, 'password');
    success(await writeKeystore(path, generateKeyPair(), password, { scryptCost }));
    await expect(openKeyFile(path, passwordPath)).rejects.toMatchObject({
      code: 'KEY_FILE_MISSING',
      details: { path: passwordPath },
    });
    success(await writePasswordFile(passwordPath, password));
    const signer = await openKeyFile(path, passwordPath);
    expect(signer.publicKey).toEqual(success(await readKeystorePublicKey(path)));
    await chmod(path, 0o644);
    await expect(openKeyFile(path, passwordPath)).rejects.toMatchObject({ code: 'KEY_FILE_EXPOSED' });
  });

  it('hold a password in their first line', async () => {
    success(await writePasswordFile(path, password));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(success(await readPasswordFile(path))).toBe(password);
    await writeFile(path, 'first\r\nsecond\n');
    expect(success(await readPasswordFile(path))).toBe('first');
    await writeFile(path, '\n');
    expect(failure(await readPasswordFile(path)).code).toBe('KEY_FILE_EMPTY_PASSWORD');
    expect(failure(await writePasswordFile(path, password)).code).toBe('KEY_FILE_EXISTS');
  });
});

describe('keys', () => {
  it('follow RFC 8032, section 7.1', async () => {
    const { tests } = readVectors<{
      tests: { seed: string; publicKey: string; message: string; signature: string }[];
    }>('crypto/rfc8032-ed25519.json');
    for (const { seed, publicKey, message, signature } of tests) {
      const keyPair = keyPairFromSeed(hex(seed));
      expect(toHex(keyPair.publicKey)).toBe(publicKey);
      expect(toHex(await new KeySigner(keyPair).sign(hex(message)))).toBe(signature);
    }
  });

  it('differ each time they are generated', () => {
    const keys = new Set(Array.from({ length: 50 }, () => toHex(generateKeyPair().publicKey)));
    expect(keys.size).toBe(50);
  });
});
