import { open } from 'node:fs/promises';

const maxBytes = 32 * 1024;

/** The last lines of a text file; none when there is no such file. */
export async function readLastLines(file: string, lines: number): Promise<readonly string[]> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return [];
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, maxBytes);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .slice(-lines);
  } finally {
    await handle.close();
  }
}
