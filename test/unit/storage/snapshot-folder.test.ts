/** A copy of the state takes the place of the store by renames; a crash between any two of them loses neither. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adoptIncoming, settleFolders, snapshotFolders } from '../../../src/storage/index.js';

let dataDir: string;
let folders: ReturnType<typeof snapshotFolders>;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quaestor-folders-'));
  folders = snapshotFolders(dataDir);
});

afterEach(() => rm(dataDir, { recursive: true, force: true }));

async function folder(path: string, contents: string): Promise<void> {
  await mkdir(path);
  await writeFile(join(path, 'contents'), contents);
}

const storeContents = (): Promise<string> => readFile(join(folders.store, 'contents'), 'utf8');

/** What is on the disk after each step of taking over, if the process ended there. */
const crashes: readonly [string, () => Promise<void>, string][] = [
  ['before it was called finished', () => Promise.resolve(), 'old'],
  ['after it was called finished', () => rename(folders.incoming, folders.ready), 'new'],
  [
    'after the old store made way',
    async () => {
      await rename(folders.incoming, folders.ready);
      await rename(folders.store, folders.replaced);
    },
    'new',
  ],
  [
    'after it became the store',
    async () => {
      await rename(folders.incoming, folders.ready);
      await rename(folders.store, folders.replaced);
      await rename(folders.ready, folders.store);
    },
    'new',
  ],
];

describe('taking over a copy', () => {
  it.each(crashes)('that was interrupted %s ends with one whole store', async (_when, steps, contents) => {
    await folder(folders.store, 'old');
    await folder(folders.incoming, 'new');
    await steps();
    // The start after the crash, and one more, which must find nothing to do.
    for (let start = 0; start < 2; start++) {
      await settleFolders(dataDir);
      expect(await storeContents()).toBe(contents);
      expect(existsSync(folders.ready)).toBe(false);
      expect(existsSync(folders.replaced)).toBe(false);
    }
    // What was not called finished is still there to go on with.
    expect(existsSync(folders.incoming)).toBe(contents === 'old');
  });

  it('leaves an older folder that was to be removed out of the way', async () => {
    await folder(folders.store, 'old');
    await folder(folders.replaced, 'older');
    await folder(folders.incoming, 'new');
    await adoptIncoming(dataDir);
    expect(await storeContents()).toBe('new');
    expect(existsSync(folders.replaced)).toBe(false);
  });

  it('needs no store before it', async () => {
    await folder(folders.incoming, 'new');
    await adoptIncoming(dataDir);
    expect(await storeContents()).toBe('new');
  });
});
