/**
 * The pages of deploy/: every block of commands is executed, but for those that are marked as needing a cluster; of those
 * the options are held against the chart. `executed` needs Node.js alone, `helm` needs helm.
 */
import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chart } from './generated.js';
import { helm } from './helm.js';

const pages = ['deploy/README.md', `${chart}/README.md`];
const kinds = ['executed', 'helm', 'cluster'];

/** Blocks of commands in the order of the page. */
function blocksOf(page: string): readonly { readonly kind: string; readonly text: string }[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```sh ?(\S*)\n(.*?)^```$/gms)].map(
    ([, kind = '', text = '']) => ({ kind, text }),
  );
}

/** A folder in which the repository's own paths exist, and a PATH with the commands that the pages name. */
function workplace(): { readonly folder: string; readonly env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'quaestor-docs-'));
  for (const name of [
    'deploy',
    'configs',
    'dist',
    'proto',
    'package.json',
    'package-lock.json',
    '.npmrc',
    'node_modules',
  ]) {
    symlinkSync(resolve(name), join(folder, name));
  }
  mkdirSync(join(folder, 'bin'));
  const command = join(folder, 'bin/quaestor');
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${resolve('dist/cli/main.js')}' "$@"\n`);
  chmodSync(command, 0o755);
  if (helm !== undefined) symlinkSync(helm, join(folder, 'bin/helm'));
  return { folder, env: { ...process.env, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}` } };
}

describe.each(pages)('%s', (page) => {
  it('says of every block of commands whether it needs a cluster', () => {
    const unknown = blocksOf(page).filter(({ kind }) => !kinds.includes(kind));
    expect(unknown).toEqual([]);
  });

  it('has links to files that exist', () => {
    const text = readFileSync(page, 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((link) => !existsSync(join(page, '..', link)))).toEqual([]);
  });

  it('names values that the chart has', () => {
    const values = JSON.parse(readFileSync(`${chart}/values.schema.json`, 'utf8')) as Schema;
    const set = blocksOf(page).flatMap(({ text }) =>
      [...text.matchAll(/--set ([\w.]+)=/g)].map(([, path = '']) => path),
    );
    const unknown = set.filter(
      (path) =>
        path.split('.').reduce<Schema | undefined>((at, name) => at?.properties?.[name], values) ===
        undefined,
    );
    expect(unknown).toEqual([]);
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

describe('the commands of deploy/README.md', () => {
  it(`work as they are written${helm === undefined ? ' (those of helm are left out: it is not here)' : ''}`, () => {
    const { folder, env } = workplace();
    try {
      for (const { kind, text } of blocksOf('deploy/README.md')) {
        if (kind === 'cluster' || (kind === 'helm' && helm === undefined)) continue;
        const { status, stdout, stderr } = spawnSync('sh', ['-eu', '-c', text], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        expect([text, status, status === 0 ? '' : stdout + stderr]).toEqual([text, 0, '']);
      }
      const made = [
        'rehearsal/genesis.yaml',
        'rehearsal/validators/validator-4/key/validator.key',
        'alba/key/validator.key',
      ];
      expect(made.filter((file) => !existsSync(join(folder, file)))).toEqual([]);
      if (helm === undefined) return;
      // What was rendered names the Secrets and files that the commands for a cluster make.
      const manifests = readFileSync(join(folder, 'rehearsal-manifests.yaml'), 'utf8');
      for (const name of [
        'rehearsal-genesis',
        'ledger-quaestor-validator-4-key',
        'ledger-quaestor-validator-4-tls',
      ]) {
        expect(manifests).toContain(`name: ${name}\n`);
      }
      const one = readFileSync(join(folder, 'alba/manifests.yaml'), 'utf8');
      for (const name of ['example-consortium-genesis', 'validator-1-key', 'validator-1-tls']) {
        expect(one).toContain(`name: ${name}\n`);
      }
      expect(one).not.toContain('client-tls');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);
});
