import { open, rename, rm } from 'node:fs/promises';

/** Writes a file, readable by its owner, that is there whole and synced, or not at all. */
export async function writeWholeFile(
  file: string,
  text: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const part = `${file}.part`;
  try {
    const handle = await open(part, 'w', 0o600);
    try {
      for await (const piece of text) await handle.write(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}
