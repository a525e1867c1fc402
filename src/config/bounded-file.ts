import { open } from 'node:fs/promises';
import { QuaestorError } from '../types/index.js';

/** A file that is larger than anything that it could hold. */
export class FileTooLargeError extends QuaestorError {
  constructor(file: string, maxBytes: number) {
    super('FILE_TOO_LARGE', `${file} has more than ${maxBytes} bytes, the most that such a file can have.`, {
      file,
    });
  }
}

const chunkBytes = 64 * 1024;

/**
 * Reads a file of at most `maxBytes`, and no more than that into memory, whatever the path names.
 *
 * @throws FileTooLargeError, or the operating system's error.
 */
export async function readBoundedFile(file: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (;;) {
      const chunk = Buffer.allocUnsafe(
        Math.min(chunkBytes * 2 ** Math.min(chunks.length, 6), maxBytes + 1 - bytes),
      );
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) return concat(chunks, bytes);
      bytes += bytesRead;
      if (bytes > maxBytes) throw new FileTooLargeError(file, maxBytes);
      chunks.push(chunk.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

function concat(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
