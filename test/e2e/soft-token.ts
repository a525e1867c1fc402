/** A token of SoftHSM 2 in a folder of its own: a real implementation of PKCS #11, in software. */
import { describe } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mainProgram } from './command-line.js';

const module = '/usr/lib/softhsm/libsofthsm2.so';
const label = 'bank-alba';
const pin = '4321';

function isUsable(): boolean {
  try {
    createRequire(import.meta.url)('pkcs11js');
  } catch {
    return false;
  }
  return existsSync(module);
}

/** Skips, by name, where there is no SoftHSM or no pkcs11js (.ci/install-softhsm.mjs). */
export const describeWithToken = isUsable() ? describe : describe.skip;

export class SoftToken {
  readonly dir = mkdtempSync(join(tmpdir(), 'quaestor-hsm-'));
  /** Holds the PIN that processes are told of. */
  readonly pinFile = join(this.dir, 'pin');
  /** For processes that use the token. */
  readonly environment = { SOFTHSM2_CONF: join(this.dir, 'softhsm2.conf') };

  constructor() {
    mkdirSync(join(this.dir, 'tokens'));
    writeFileSync(
      this.environment.SOFTHSM2_CONF,
      `directories.tokendir = ${join(this.dir, 'tokens')}\nobjectstore.backend = file\n`,
    );
    this.usePin(true);
    execFileSync(
      'softhsm2-util',
      ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', '8765'],
      { env: { ...process.env, ...this.environment }, stdio: 'ignore' },
    );
  }

  /** Writes the right or a wrong PIN to the file. */
  usePin(right: boolean): void {
    writeFileSync(this.pinFile, `${right ? pin : '9999'}\n`, { mode: 0o600 });
  }

  /** Makes a key; gives its public key in hexadecimal. */
  generate(keyLabel: string): string {
    const words = [
      '--token-label',
      label,
      '--key-label',
      keyLabel,
      '--pin-file',
      this.pinFile,
      '--module',
      module,
    ];
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [mainProgram, 'keys', 'token', 'generate', ...words],
      { env: { ...process.env, ...this.environment }, encoding: 'utf8', timeout: 20_000 },
    );
    const found = /[0-9a-f]{64}/.exec(stdout)?.[0];
    if (found === undefined) throw new Error(`no key was made: ${stderr}`);
    return found;
  }

  /** The "key" of a configuration. */
  keyOf(keyLabel: string, publicKey: string): string {
    return (
      `{ pkcs11: { module: ${module}, tokenLabel: ${label}, keyLabel: ${keyLabel}, ` +
      `pinFile: ${this.pinFile}, publicKey: ${publicKey} } }`
    );
  }

  /** Takes the token out: who looks for it finds none. */
  remove(): void {
    renameSync(join(this.dir, 'tokens'), join(this.dir, 'away'));
    mkdirSync(join(this.dir, 'tokens'));
  }

  putBack(): void {
    rmSync(join(this.dir, 'tokens'), { recursive: true });
    renameSync(join(this.dir, 'away'), join(this.dir, 'tokens'));
  }

  dispose(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
