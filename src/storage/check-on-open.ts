/**
 * What is looked at before a store is used: identity, head, the last blocks in full, the consensus log, and that no
 * recent write is missing. Everything else is checked when it is read.
 */
import { decodeBlockHeader } from '../codec/index.js';
import { headerDigest } from '../crypto/index.js';
import { asHeight, equalBytes, type ChainId, type Digest, type Height } from '../types/index.js';
import { readLogEntries } from './consensus-log.js';
import type { KeyValueEngine } from './engine.js';
import { ByteReader } from './byte-writer.js';
import { corrupt, StorageError } from './errors.js';
import { checkIdentity, readIdentity, writeIdentity, type Identity } from './identity.js';
import { endKey, firstKey, keySpaces, makeKey, writeKey } from './key-spaces.js';
import {
  checked,
  corruptEntry,
  parsed,
  readHead,
  readHeader,
  readList,
  readRetainBounds,
} from './records.js';
import type { Head, LogEntry, RetainBounds } from './types.js';
import { WriteBatch } from './write-batch.js';

/** So many blocks are read in full. */
const blocksChecked = 8;

/** The identity in the database, checked; undefined when it is empty. Throws a StorageError. */
export async function storedIdentity(
  engine: KeyValueEngine,
  expected: Identity,
  dir: string,
): Promise<Identity | undefined> {
  const key = makeKey((out) => writeKey.meta(out, 'format'));
  const [stored] = await engine.getMany([key]);
  if (stored !== undefined) {
    const identity = parsed(key, stored, readIdentity);
    checkIdentity(identity, expected, dir);
    return identity;
  }
  const [any] = await engine.range({ from: Uint8Array.of(0), to: Uint8Array.of(0xff), limit: 1 });
  if (any !== undefined) throw corruptEntry(key, 'the identity of the store is missing');
  return undefined;
}

/** Writes the identity into a database that is empty or was migrated. */
export async function recordIdentity(engine: KeyValueEngine, identity: Identity): Promise<void> {
  const batch = new WriteBatch(256);
  writeKey.meta(batch.begin(), 'format');
  writeIdentity(batch.value(), identity);
  batch.end();
  await engine.write([batch]);
}

export interface Contents {
  readonly head: Head | undefined;
  /** See Store.base. */
  readonly base: Height;
  /** See Store.oldestState. */
  readonly oldestState: Height;
  /** Up to which heights blocks, and below which height states, are removed. */
  readonly removed: RetainBounds;
  readonly logEntries: readonly LogEntry[];
}

function incompleteSnapshot(location: string): StorageError {
  return new StorageError(
    'INCOMPLETE',
    `The database in "${location}" is a copy of a state that was not finished. Start the node with the data folder that ` +
      'it belongs to: it goes on with the copy.',
    { location },
  );
}

/** Reads and checks where the store stands. Throws CORRUPT. */
export async function checkContents(engine: KeyValueEngine, chainId: ChainId): Promise<Contents> {
  const logEntries = await readLogEntries(engine);
  const headKey = makeKey((out) => writeKey.meta(out, 'head'));
  const [stored] = await engine.getMany([headKey]);
  const [newest] = await engine.range({
    from: firstKey(keySpaces.header),
    to: endKey(keySpaces.header),
    limit: 1,
    reverse: true,
  });
  const snapshotKey = makeKey((out) => writeKey.meta(out, 'snapshot'));
  const [installing] = await engine.getMany([snapshotKey]);
  if (installing !== undefined) throw incompleteSnapshot(engine.location);
  if (stored === undefined) {
    if (newest !== undefined) throw corruptEntry(headKey, 'there are blocks, but no record of the last one');
    const none = asHeight(0);
    return {
      head: undefined,
      base: none,
      oldestState: none,
      removed: { blocks: none, states: none },
      logEntries,
    };
  }
  const head = parsed(headKey, stored, readHead);
  const expected = makeKey((out) => writeKey.header(out, head.height));
  if (newest === undefined || !equalBytes(newest.key, expected))
    throw corruptEntry(expected, `the last block in the store is not block ${head.height}, as it should be`);
  const base = await readBase(engine);
  await checkBlocks(engine, chainId, head, base);
  return { head, base, ...(await readPruning(engine, base)), logEntries };
}

/** Checks the last blocks from the head down: entries, checksums, digests and links. */
async function checkBlocks(
  engine: KeyValueEngine,
  chainId: ChainId,
  head: Head,
  base: Height,
): Promise<void> {
  let digest: Digest = head.digest;
  for (let number: number = head.height; number >= base && number > head.height - blocksChecked; number--) {
    const height = asHeight(number);
    const key = makeKey((out) => writeKey.header(out, height));
    const header =
      number > 0 && number === base ? await checkHeader(engine, height) : await checkBlock(engine, height);
    if (!equalBytes(header.digest, digest) || !equalBytes(headerDigest(header.headerBytes), digest))
      throw corruptEntry(key, `the digest of block ${number} is not the one that it should have`);
    const decoded = decodeBlockHeader(header.headerBytes);
    if (!decoded.ok)
      throw corruptEntry(key, `the header of block ${number} cannot be decoded`, decoded.error);
    if (!equalBytes(decoded.value.chainId, chainId) || decoded.value.height !== number)
      throw corruptEntry(key, `the header of block ${number} is that of another block`);
    if (number === head.height && !equalBytes(decoded.value.stateRoot, head.stateRoot))
      throw corrupt(`the state root of the last block, ${number}, is not the one that was recorded`);
    digest = decoded.value.prevHash;
  }
}

/** What is kept of states, and how far pruning came; without a record, what a store has that was never pruned. */
async function readPruning(
  engine: KeyValueEngine,
  base: Height,
): Promise<Pick<Contents, 'oldestState' | 'removed'>> {
  const statesKey = makeKey((out) => writeKey.meta(out, 'states'));
  const prunedKey = makeKey((out) => writeKey.meta(out, 'pruned'));
  const [states, pruned] = await engine.getMany([statesKey, prunedKey]);
  return {
    oldestState:
      states === undefined ? base : parsed(statesKey, states, (body) => asHeight(new ByteReader(body).u48())),
    removed:
      pruned === undefined ? { blocks: base, states: base } : parsed(prunedKey, pruned, readRetainBounds),
  };
}

/** Height of the snapshot that the store was made from; 0 if it has all blocks. */
async function readBase(engine: KeyValueEngine): Promise<Height> {
  const key = makeKey((out) => writeKey.meta(out, 'base'));
  const [stored] = await engine.getMany([key]);
  if (stored === undefined) return asHeight(0);
  return parsed(key, stored, (body) => asHeight(new ByteReader(body).u48()));
}

async function checkHeader(engine: KeyValueEngine, height: Height) {
  const key = makeKey((out) => writeKey.header(out, height));
  const [stored] = await engine.getMany([key]);
  if (stored === undefined)
    throw corruptEntry(key, `the header of the snapshot, block ${height}, is missing`);
  return parsed(key, stored, (body) => readHeader(height, body));
}

async function checkBlock(engine: KeyValueEngine, height: Height) {
  const keys = [
    makeKey((out) => writeKey.header(out, height)),
    makeKey((out) => writeKey.envelopes(out, height)),
    makeKey((out) => writeKey.results(out, height)),
    makeKey((out) => writeKey.transactionIds(out, height)),
  ] as const;
  const stored = await engine.getMany(keys);
  const values = keys.map((key, index) => {
    const value = stored[index];
    if (value === undefined) throw corruptEntry(key, `a part of block ${height} is missing`);
    return { key, value, body: checked(key, value) };
  });
  for (const { key, value } of values.slice(1, 3)) parsed(key, value, readList);
  const [header] = values;
  if (header === undefined) throw corrupt(`block ${height} is missing`);
  return parsed(header.key, header.value, (body) => readHeader(height, body));
}
