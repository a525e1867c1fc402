/** Objects as files of a folder, which may be a mounted network file system. */
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { checkKey, ObjectStoreError } from './types.js';
import type { ByteRange, ObjectBody, ObjectInfo, ObjectStore } from './types.js';

/** Names of files that are being written; no part of a key begins like them. */
const partPrefix = '.part-';
let parts = 0;

/** Objects in a folder, each a file at its key. The folder itself has to be there: a missing one is a disk that is not
 * mounted. */
export class FolderObjectStore implements ObjectStore {
  readonly location: string;

  constructor(folder: string) {
    this.location = resolve(folder);
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    const path = this.#pathOf(key);
    const folder = dirname(path);
    const part = join(folder, `${partPrefix}${process.pid}-${parts++}`);
    try {
      await stat(this.location);
      await mkdir(folder, { recursive: true });
      const file = await open(part, 'wx', 0o640);
      try {
        for await (const bytes of chunksOf(body)) await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      await syncFolders(folder, this.location);
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw this.#failed('written', key, error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const path = this.#pathOf(key);
    try {
      const file = await open(path, 'r');
      if (range !== undefined && range.end <= range.start) {
        await file.close();
        return chunksOf(new Uint8Array(0));
      }
      const options = range === undefined ? {} : { start: range.start, end: range.end - 1 };
      return this.#translated(key, createReadStream('', { fd: file, ...options }));
    } catch (error) {
      throw this.#failed('read', key, error);
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    const found: string[] = [];
    try {
      const names = await readdir(this.location, { recursive: true, withFileTypes: true });
      for (const entry of names) {
        if (!entry.isFile() || entry.name.startsWith('.')) continue;
        const key = join(entry.parentPath, entry.name).slice(this.location.length + 1);
        if (key.startsWith(prefix)) found.push(key);
      }
    } catch (error) {
      throw this.#failed('listed', prefix, error);
    }
    for (const key of found.sort()) {
      const info = await this.head(key);
      if (info !== undefined) yield info;
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      const found = await stat(this.#pathOf(key));
      return found.isFile() ? { key, bytes: found.size } : undefined;
    } catch (error) {
      // An object that is missing, unless it is the whole folder.
      if (codeOf(error) === 'ENOENT' && (await exists(this.location))) return undefined;
      throw this.#failed('looked at', key, error);
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await rm(this.#pathOf(key), { force: true });
    } catch (error) {
      throw this.#failed('removed', key, error);
    }
  }

  #pathOf(key: string): string {
    checkKey(key);
    return join(this.location, key);
  }

  async *#translated(key: string, stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of stream) yield chunk;
    } catch (error) {
      throw this.#failed('read', key, error);
    }
  }

  #failed(doing: string, key: string, error: unknown): ObjectStoreError {
    if (error instanceof ObjectStoreError) return error;
    const code = codeOf(error);
    const reason = error instanceof Error ? error.message : String(error);
    const kind =
      code === 'ENOENT' && doing === 'read' ? 'NOT_FOUND' : isDenied(code) ? 'DENIED' : 'UNAVAILABLE';
    return new ObjectStoreError(
      kind,
      `"${key}" in the folder "${this.location}" can not be ${doing}: ${reason}.`,
      { key, location: this.location },
      error,
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const isDenied = (code: string): boolean => code === 'EACCES' || code === 'EPERM' || code === 'EROFS';

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

async function* chunksOf(body: ObjectBody): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}

/** Makes the names in a folder durable, and those of the folders above up to the outermost. */
async function syncFolders(folder: string, outermost: string): Promise<void> {
  for (let current = folder; current.length >= outermost.length; current = dirname(current)) {
    const handle = await open(current, 'r');
    await handle.sync().finally(() => handle.close());
  }
}
