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

export const markerName = 'QUAESTOR-STORE';

export interface Identity {
  /** Version of the layout of keys and values. */
  readonly format: number;
  /** Software that knows this format may use the store. */
  readonly compatibleSince: number;
  readonly chainId: ChainId;
  /** Id of the validator. */
  readonly validator: string;
}

/** Format 1 had no compatible-since; every format after it begins as this one does. */
export function writeIdentity(out: ByteWriter, identity: Identity): void {
  out.u16(identity.format);
  if (identity.format > 1) out.u16(identity.compatibleSince);
  out.bytes(identity.chainId).text(identity.validator);
}

export function readIdentity(body: Uint8Array): Identity {
  const reader = new ByteReader(body);
  const format = reader.u16();
  return {
    format,
    compatibleSince: format > 1 ? reader.u16() : format,
    chainId: asChainId(reader.bytes(32)),
    validator: keyText(reader.rest()),
  };
}

/** Throws a StorageError unless the store may be used by this software, chain and validator. `software`: which version
 * gave it its format. */
export function checkIdentity(found: Identity, expected: Identity, dir: string, software?: string): void {
  const { format, compatibleSince } = found;
  if (format < 1 || compatibleSince < 1 || compatibleSince > format)
    throw corrupt(`the format version of "${dir}" is ${format}, of use since ${compatibleSince}`, { dir });
  if (compatibleSince > expected.format)
    throw new StorageError(
      'FORMAT_TOO_NEW',
      `The store in "${dir}" has format ${format}` +
        (software === undefined ? '' : `, given to it by version ${software} of the software`) +
        `, which needs software that knows format ${compatibleSince}; this version knows up to ${expected.format}. ` +
        'Nothing was changed. Start it with the version that wrote it, or a later one; or go back as docs/upgrades.md ' +
        'says under "Going back".',
      {
        dir,
        found: String(format),
        compatibleSince: String(compatibleSince),
        supported: String(expected.format),
      },
    );
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
  /** Version of the software that gave the store its format, if it said so. */
  readonly software: string | undefined;
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
    const match = /^([a-z-]+): (.*)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) fields.set(match[1], match[2]);
  }
  const format = Number(fields.get('format'));
  const compatibleSince = Number(fields.get('compatible-since') ?? format);
  const engine = fields.get('engine');
  const chainId = fromHex(fields.get('chain') ?? '');
  const validator = fields.get('validator');
  if (
    !Number.isInteger(format) ||
    !Number.isInteger(compatibleSince) ||
    (engine !== 'rocksdb' && engine !== 'leveldb') ||
    chainId?.length !== 32 ||
    validator === undefined
  )
    throw corrupt(`the file "${join(dir, markerName)}" is not as it was written`, { dir });
  const software = fields.get('software');
  return { format, compatibleSince, engine, chainId: asChainId(chainId), validator, software };
}

/** Writes the marker file, durably and whole or not at all. */
export async function writeMarker(dir: string, marker: Marker): Promise<void> {
  const path = join(dir, markerName);
  const handle = await open(`${path}.new`, 'w', 0o644);
  try {
    await handle.writeFile(
      'This folder is the store of one Quaestor validator. Do not edit it, and copy it only while the validator is\n' +
        'stopped. A second process must never run on a copy of it. See docs/storage.md.\n\n' +
        `format: ${marker.format}\ncompatible-since: ${marker.compatibleSince}\n` +
        (marker.software === undefined ? '' : `software: ${marker.software}\n`) +
        `engine: ${marker.engine}\nchain: ${toHex(marker.chainId)}\nvalidator: ${marker.validator}\n`,
    );
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(dir);
}
