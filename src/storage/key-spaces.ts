/**
 * The one registry of key spaces: what each first byte of a key means, and how keys are made. Every key of the store is
 * made here and nowhere else. A value is its body followed by the CRC-32 (4 bytes) of key ‖ body.
 */
import { asHeight, limits, type Height } from '../types/index.js';
import { ByteReader, ByteWriter, keyText } from './byte-writer.js';

/** A key space. `prefix` never changes its meaning: a new layout takes a new prefix and a higher format version. */
export interface KeySpace {
  readonly prefix: number;
  readonly name: string;
  readonly key: string;
  readonly value: string;
}

const space = (prefix: string, name: string, key: string, value: string): KeySpace => ({
  prefix: prefix.charCodeAt(0),
  name,
  key,
  value,
});

/** height: 6 bytes big-endian; ~height: its complement, so that newer sorts first; text ends in NUL before a number. */
export const keySpaces = {
  meta: space(
    'M',
    'meta',
    'name',
    '"format": identity of the store; "head": height ‖ digest ‖ state root; "base": height of the snapshot that the ' +
      'store was made from, or that blocks are kept above; "states": first height whose state is kept; "pruned": up to ' +
      'which heights blocks and states were removed; "paths": empty, every state key has its path; "snapshot": progress ' +
      'of one that is installed',
  ),
  header: space('B', 'block header', 'height', 'digest ‖ header length (4) ‖ header ‖ commit certificate'),
  envelopes: space('E', 'block bodies', 'height', 'list of envelopes'),
  results: space('R', 'block results', 'height', 'list of results'),
  transactionIds: space('I', 'transaction ids', 'height', 'ids of the block, 32 bytes each'),
  transaction: space('T', 'transaction index', 'transaction id', 'height ‖ index (2)'),
  latest: space(
    'S',
    'latest state',
    'state key',
    'height of the change ‖ 1 ‖ value, or height ‖ 0 when removed',
  ),
  version: space('V', 'state version', 'state key ‖ 0 ‖ ~height', '1 ‖ value, or 0 when removed'),
  path: space('K', 'state path', 'path of the key in the state tree', 'state key'),
  treeNode: space('N', 'state tree node', 'node key', 'node'),
  history: space(
    'A',
    'account history',
    'account ‖ 0 ‖ ~height',
    'indexes of the block, descending, 2 bytes each',
  ),
  log: space('L', 'consensus log', 'height ‖ name', 'record'),
  evidence: space('X', 'evidence', 'name', 'evidence'),
  sequence: space('Q', 'write sequence', 'number of the write modulo 4096 (2)', 'number of the write (6)'),
  /** What pruning needs to know of a block, read when its height is no longer kept. */
  stale: space(
    'P',
    'pruning lists',
    'height ‖ 0, or height ‖ 1',
    '0: state keys that the block wrote, tree nodes that it no longer uses; 1: accounts that it touched',
  ),
} as const satisfies Record<string, KeySpace>;

/** The key space of a key, for messages. */
export function keySpaceOf(key: Uint8Array): KeySpace | undefined {
  return Object.values(keySpaces).find(({ prefix }) => prefix === key[0]);
}

const invert = (height: number): number => limits.maxHeight - height;

/** Names in the key space `meta`. */
export type MetaName = 'format' | 'head' | 'base' | 'states' | 'pruned' | 'paths' | 'snapshot';

/** Which of the two lists of a block. */
export const pruningLists = { state: 0, accounts: 1 } as const;

/** Appends keys to a writer. */
export const writeKey = {
  meta: (out: ByteWriter, name: MetaName) => out.u8(keySpaces.meta.prefix).text(name),
  header: (out: ByteWriter, height: Height) => out.u8(keySpaces.header.prefix).u48(height),
  envelopes: (out: ByteWriter, height: Height) => out.u8(keySpaces.envelopes.prefix).u48(height),
  results: (out: ByteWriter, height: Height) => out.u8(keySpaces.results.prefix).u48(height),
  transactionIds: (out: ByteWriter, height: Height) => out.u8(keySpaces.transactionIds.prefix).u48(height),
  transaction: (out: ByteWriter, txId: Uint8Array) => out.u8(keySpaces.transaction.prefix).bytes(txId),
  latest: (out: ByteWriter, key: string) => out.u8(keySpaces.latest.prefix).text(key),
  version: (out: ByteWriter, key: string, height: Height) =>
    out.u8(keySpaces.version.prefix).text(key).u8(0).u48(invert(height)),
  path: (out: ByteWriter, path: Uint8Array) => out.u8(keySpaces.path.prefix).bytes(path),
  treeNode: (out: ByteWriter, key: Uint8Array) => out.u8(keySpaces.treeNode.prefix).bytes(key),
  history: (out: ByteWriter, account: string, height: Height) =>
    out.u8(keySpaces.history.prefix).text(account).u8(0).u48(invert(height)),
  log: (out: ByteWriter, height: Height, name: string) => out.u8(keySpaces.log.prefix).u48(height).text(name),
  stale: (out: ByteWriter, height: Height, list: 0 | 1) =>
    out.u8(keySpaces.stale.prefix).u48(height).u8(list),
  sequence: (out: ByteWriter, slot: number) => out.u8(keySpaces.sequence.prefix).u16(slot),
  evidence: (out: ByteWriter, name: string) => out.u8(keySpaces.evidence.prefix).text(name),
} as const;

const scratch = new ByteWriter(256);

/** Makes one key: `makeKey((out) => writeKey.header(out, height))`. */
export function makeKey(write: (out: ByteWriter) => unknown): Uint8Array {
  scratch.length = 0;
  write(scratch);
  return scratch.finish();
}

/** First key of a space, or of the keys of a space that start with a text. */
export function firstKey({ prefix }: KeySpace, text = ''): Uint8Array {
  return makeKey((out) => out.u8(prefix).text(text));
}

/** Least key that sorts after every key of a space, or after those that start with a text. */
export function endKey({ prefix }: KeySpace, text = ''): Uint8Array {
  if (text === '') return Uint8Array.of(prefix + 1);
  const end = firstKey({ prefix } as KeySpace, text);
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

/** Height in the last bytes of a key of `version` or `history`. */
export function invertedHeightOf(key: Uint8Array): Height {
  return asHeight(invert(new ByteReader(key, key.length - 6).u48()));
}

/** Text of a key of `latest` or `evidence`. */
export function textOfKey(key: Uint8Array): string {
  return keyText(key.subarray(1));
}

/** Height and name of a key of the consensus log. */
export function logKeyParts(key: Uint8Array): { readonly height: Height; readonly name: string } {
  return { height: asHeight(new ByteReader(key, 1).u48()), name: keyText(key.subarray(7)) };
}
