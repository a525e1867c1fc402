import { keySpaces, StorageError, type KeyValuePair } from '../storage/index.js';
import { fromHex, toHex, type Height } from '../types/index.js';
import type { Finding } from './types.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const number = (bytes: Uint8Array): number => Buffer.from(bytes).readUIntBE(0, 6);
const complement = (bytes: Uint8Array): number => number(bytes.map((byte) => 0xff - byte));

/** What a record of a store is, in words. */
export function describeKey({ key }: Pick<KeyValuePair, 'key'>): string {
  const rest = key.subarray(1);
  switch (key[0]) {
    case keySpaces.header.prefix:
      return `the header or the certificate of block ${number(rest)}`;
    case keySpaces.envelopes.prefix:
      return `the transactions of block ${number(rest)}`;
    case keySpaces.results.prefix:
      return `the results of block ${number(rest)}`;
    case keySpaces.transactionIds.prefix:
      return `the list of the transaction ids of block ${number(rest)}`;
    case keySpaces.transaction.prefix:
      return `the place of transaction ${toHex(rest)}`;
    case keySpaces.latest.prefix:
      return `the latest value of the state's record "${text(rest)}"`;
    case keySpaces.version.prefix:
      return `the value of the state's record "${text(rest.subarray(0, -7))}" after block ${complement(rest.subarray(-6))}`;
    case keySpaces.path.prefix:
      return `the name of the state's record at path ${toHex(rest)}`;
    case keySpaces.treeNode.prefix:
      return `the node ${toHex(rest)} of the state tree`;
    case keySpaces.history.prefix:
      return `the history of account "${text(rest.subarray(0, -7))}" at block ${complement(rest.subarray(-6))}`;
    case keySpaces.stale.prefix:
      return `what pruning has to know of block ${number(rest)}`;
    default:
      return `the entry ${toHex(key)}`;
  }
}

/** The finding for damage that a store noticed in its own records; undefined for any other error. */
export function damageOf(error: unknown, height?: Height): Finding | undefined {
  if (!(error instanceof StorageError) || error.code !== 'CORRUPT') return undefined;
  const key = fromHex(error.details['key'] ?? '');
  const what = key === undefined || key.length === 0 ? 'The store' : capitalised(describeKey({ key }));
  return {
    code: 'MALFORMED',
    height,
    message: `${what} is damaged: ${error.details['damage'] ?? error.message}.`,
  };
}

/** A sentence that begins with these words. */
export const capitalised = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
