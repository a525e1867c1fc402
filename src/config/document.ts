import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import { err, ok } from '../types/index.js';
import type { Result } from '../types/index.js';
import { FileTooLargeError, readBoundedFile } from './bounded-file.js';
import { ConfigError, renderPath } from './problems.js';
import type { ConfigProblem } from './problems.js';

/** A YAML file as plain data, and where its parts stand. */
export interface ConfigDocument {
  readonly file: string;
  readonly data: unknown;
  /** A problem at the field of a path, at the nearest part that exists. With `key`, at its name, not at its value. */
  problemAt(path: readonly PropertyKey[], message: string, at?: 'key' | 'value'): ConfigProblem;
}

/** Most times that aliases of one file may be expanded: enough for anchors by hand, too few to fill the memory. */
const maxAliasCount = 100;

/** Reads a YAML file of at most `maxBytes`. JSON is YAML, and is read much faster when the file is called *.json. */
export async function readConfigDocument(
  file: string,
  maxBytes: number,
): Promise<Result<ConfigDocument, ConfigError>> {
  let bytes: Uint8Array;
  try {
    bytes = await readBoundedFile(file, maxBytes);
  } catch (error) {
    if (error instanceof FileTooLargeError) {
      const message = `Found more than ${maxBytes} bytes; expected at most so many.`;
      return err(new ConfigError('CONFIG_INVALID', [{ file, field: '', message }]));
    }
    return err(new ConfigError('CONFIG_UNREADABLE', [{ file, field: '', message: readFailure(error) }]));
  }
  try {
    return parseConfigDocument(file, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    const message = 'Found bytes that are not UTF-8; expected a text file in UTF-8.';
    return err(new ConfigError('CONFIG_INVALID', [{ file, field: '', message }]));
  }
}

/** Parses the text of a YAML file. Errors of syntax come all at once, each with its place. */
export function parseConfigDocument(file: string, text: string): Result<ConfigDocument, ConfigError> {
  if (file.endsWith('.json')) {
    try {
      return ok(new LazyDocument(file, text, JSON.parse(text)));
    } catch {
      // The YAML parser says where it is wrong.
    }
  }
  const parsed = parseYaml(text);
  const problems = [...parsed.document.errors, ...parsed.document.warnings].map((error): ConfigProblem => {
    const place = parsed.lines.linePos(error.pos[0]);
    return { file, line: place.line, column: place.col, field: '', message: asSentence(error.message) };
  });
  if (problems.length > 0) return err(new ConfigError('CONFIG_INVALID', problems));
  try {
    const data: unknown = parsed.document.toJS({ maxAliasCount });
    return ok(new LazyDocument(file, text, data, parsed));
  } catch {
    const message = `Found aliases that expand to more than ${maxAliasCount} copies; expected the values themselves.`;
    return err(new ConfigError('CONFIG_INVALID', [{ file, line: 1, column: 1, field: '', message }]));
  }
}

/** Why a file cannot be read, as a sentence. */
export function readFailure(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'The file does not exist.';
    case 'EACCES':
    case 'EPERM':
      return 'The file may not be read by this user; check its permissions.';
    case 'EISDIR':
      return 'Found a folder; expected a file.';
    default:
      return `The file cannot be read (${String(code ?? error)}).`;
  }
}

interface ParsedYaml {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  return {
    document: parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' }),
    lines,
  };
}

function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

class LazyDocument implements ConfigDocument {
  readonly file: string;
  readonly data: unknown;
  readonly #text: string;
  #parsed: ParsedYaml | undefined;

  constructor(file: string, text: string, data: unknown, parsed?: ParsedYaml) {
    this.file = file;
    this.data = data;
    this.#text = text;
    this.#parsed = parsed;
  }

  problemAt(path: readonly PropertyKey[], message: string, at: 'key' | 'value' = 'value'): ConfigProblem {
    this.#parsed ??= parseYaml(this.#text);
    const { document, lines } = this.#parsed;
    const place = lines.linePos(offsetOf(document, path, at));
    return { file: this.file, line: place.line, column: place.col, field: renderPath(path), message };
  }
}

/** Where the node of a path starts, or else the nearest part of the path that exists. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) return offset;
      const last = depth === path.length - 1;
      offset = startOf(last && at === 'key' ? pair.key : pair.value) ?? startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      const item = node.items[part];
      if (item === undefined) return offset;
      offset = startOf(item) ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}
