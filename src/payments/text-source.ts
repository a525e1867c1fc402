import type { FileProblem, PaymentsSource } from './types.js';

/** Ends the reading of a file that is unfit as a whole. */
export class UnfitFile extends Error {
  readonly problem: FileProblem;

  constructor(code: FileProblem['code'], line: number, message: string) {
    super(message);
    this.name = 'UnfitFile';
    this.problem = { code, line, message };
  }
}

/** Largest piece of text that is handed on at once, in UTF-16 units: bounds what a parser can hold at a time. */
export const pieceLength = 16 * 1024;

/**
 * The text of a source in pieces of at most `pieceLength`, without byte order mark. `line` says where the reader is,
 * for errors. Throws UnfitFile when it is not UTF-8 or too large.
 */
export async function* textOf(
  source: PaymentsSource,
  maxBytes: number,
  line: () => number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch {
      throw new UnfitFile('MALFORMED', line(), 'Found bytes that are not UTF-8; expected a file in UTF-8.');
    }
  };
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new UnfitFile('TOO_LARGE', line(), `The file is larger than ${maxBytes} bytes; split it.`);
    }
    const text = typeof chunk === 'string' ? chunk : decode(chunk);
    for (let start = 0; start < text.length; start += pieceLength) {
      yield text.slice(start, start + pieceLength);
    }
  }
  decode();
}
