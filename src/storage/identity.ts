/**
 * Whose store it is: kept in the database ("format" record) and, for people and against a mix-up of engines, in a text
 * file beside it.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { asChainId, equalBytes, fromHex, toHex, type ChainId } from '../types/index.js';
import { ByteReader, type ByteWriter, keyText } from './byte-writer.js';
import { corrupt, StorageError } from './errors.js';
import { syncFolder } from './folder.js';
import type { StorageEngine } from './types.js';

/** Version of the layout of keys and values that this software writes. */
export const formatVersion = 1;

export const markerName = 'QUAESTOR-STORE';

export interface Identity {
  readonly format: number;
  readonly chainId: ChainId;
  /** Id of the validator. */
  readonly validator: string;
}

export function writeIdentity(out: ByteWriter, identity: Identity): void {
  out.u16(identity.format).bytes(identity.chainId).text(identity.validator);
}

export function readIdentity(body: Uint8Array): Identity {
  const reader = new ByteReader(body);
  return {
    format: reader.u16(),
    chainId: asChainId(reader.bytes(32)),
    validator: keyText(reader.rest()),
  };
}

/** Throws a StorageError unless the store may be used by this chain and validator. */
export function checkIdentity(found: Identity, expected: Identity, dir: string): void {
  if (found.format > expected.format)
    throw new StorageError(
      'FORMAT_TOO_NEW',
      `The store in "${dir}" has format ${found.format}; this version reads up to ${expected.format}. ` +
        'Start it with the version that wrote it, or a later one.',
      { dir, found: String(found.format), supported: String(expected.format) },
    );
  if (found.format < 1) throw corrupt(`the format version of "${dir}" is ${found.format}`, { dir });
  if (!equalBytes(found.chainId, expected.chainId)) {
    const [have, want] = [toHex(found.chainId), toHex(expected.chainId)];
    throw new StorageError(
      'WRONG_CHAIN',
      `The store in "${dir}" belongs to chain ${have}, not to chain ${want}. Use the genesis file of that chain, or ` +
        'another data folder.',
      { dir, found: have, expected: want },
    );
  }
  if (found.validator !== expected.validator)
    throw new StorageError(
      'WRONG_VALIDATOR',
      `The store in "${dir}" belongs to validator "${found.validator}", not to "${expected.validator}". A validator ` +
        'must never run on the votes of another; give it its own data folder.',
      { dir, found: found.validator, expected: expected.validator },
    );
}

export interface Marker extends Identity {
  readonly engine: StorageEngine;
}

/** What the marker file of a folder says; undefined when there is none. Throws a StorageError when it is unreadable. */
export async function readMarker(dir: string): Promise<Marker | undefined> {
  let text: string;
  try {
    text = await readFile(join(dir, markerName), 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([a-z]+): (.*)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) fields.set(match[1], match[2]);
  }
  const format = Number(fields.get('format'));
  const engine = fields.get('engine');
  const chainId = fromHex(fields.get('chain') ?? '');
  const validator = fields.get('validator');
  if (
    !Number.isInteger(format) ||
    (engine !== 'rocksdb' && engine !== 'leveldb') ||
    chainId?.length !== 32 ||
    validator === undefined
  )
    throw corrupt(`the file "${join(dir, markerName)}" is not as it was written`, { dir });
  return { format, engine, chainId: asChainId(chainId), validator };
}

/** Writes the marker file, durably and whole or not at all. */
export async function writeMarker(dir: string, marker: Marker): Promise<void> {
  const path = join(dir, markerName);
  const handle = await open(`${path}.new`, 'w', 0o644);
  try {
    await handle.writeFile(
      'This folder is the store of one Quaestor validator. Do not edit it, and copy it only while the validator is\n' +
        'stopped. A second process must never run on a copy of it. See docs/storage.md.\n\n' +
        `format: ${marker.format}\nengine: ${marker.engine}\nchain: ${toHex(marker.chainId)}\n` +
        `validator: ${marker.validator}\n`,
    );
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(dir);
}
