import { headerDigest, stateKeyPath } from '../crypto/index.js';
import {
  decodeBlockHeader,
  decodeCommitCertificate,
  encodeChecked,
  encodeCommitCertificate,
  type BlockHeader,
} from '../codec/index.js';
import { equalBytes, invariant, type ChainId, type Height, type StateKey } from '../types/index.js';
import { writeHead, writeHeader, writeList, writeShortList, writeTextList } from './records.js';
import { pruningLists, writeKey } from './key-spaces.js';
import type { BlockCommit, Head } from './types.js';
import { WriteBatch } from './write-batch.js';

/**
 * Header of a block to be committed on `parent` (undefined for genesis). Throws a DefectError when the block does not
 * follow it, or its parts do not fit together: such a block must never reach the disk.
 */
export function checkCommit(commit: BlockCommit, chainId: ChainId, parent: Head | undefined): BlockHeader {
  const { block, txIds, touchedAccounts } = commit;
  const decoded = decodeBlockHeader(block.headerBytes);
  invariant(decoded.ok, 'the header of a committed block is canonical');
  const header = decoded.value;
  const expected = parent === undefined ? 0 : parent.height + 1;
  invariant(
    block.height === expected,
    `blocks are committed in order: ${expected} is next, not ${block.height}`,
  );
  invariant(header.height === block.height, 'the height of a committed block is that of its header');
  invariant(equalBytes(header.chainId, chainId), 'a committed block belongs to the chain of the store');
  invariant(equalBytes(headerDigest(block.headerBytes), block.digest), 'the digest is that of the header');
  invariant(
    parent === undefined || equalBytes(header.prevHash, parent.digest),
    'a committed block links to the one before',
  );
  if (parent !== undefined) {
    const { certificate } = block;
    invariant(certificate !== undefined, 'a committed block above genesis has a certificate');
    invariant(
      certificate.height === block.height && equalBytes(certificate.digest, block.digest),
      'the certificate is for the committed block',
    );
    // What could not be read back must not be written.
    const encoded = encodeChecked(encodeCommitCertificate, decodeCommitCertificate, certificate);
    invariant(encoded.ok, 'the certificate of a committed block is well-formed');
  }
  const count = block.envelopes.length;
  invariant(header.transactionCount === count, 'a committed block has as many envelopes as its header says');
  invariant(block.results.length === count, 'there is one result for each envelope');
  invariant(txIds.length === count, 'there is one transaction id for each envelope');
  invariant(touchedAccounts.length === count, 'there is one list of accounts for each envelope');
  return header;
}

/** Indexes of the transactions that touched each account, ascending. */
function byAccount(touchedAccounts: BlockCommit['touchedAccounts']): ReadonlyMap<string, number[]> {
  const indexes = new Map<string, number[]>();
  touchedAccounts.forEach((accounts, index) => {
    for (const account of accounts) {
      const known = indexes.get(account);
      if (known === undefined) indexes.set(account, [index]);
      else if (known.at(-1) !== index) known.push(index);
    }
  });
  return indexes;
}

function putList(batch: WriteBatch, writeListKey: () => void, items: readonly Uint8Array[]): void {
  writeListKey();
  writeList(batch.value(), items);
  batch.end();
}

/**
 * All entries of one committed block, in `buffer` when there is one to be used again. `isKnown` says which state keys
 * surely have been written before.
 */
export function commitBatch(
  commit: BlockCommit,
  head: Head,
  buffer: Uint8Array | undefined,
  isKnown: (key: StateKey) => boolean,
): WriteBatch {
  const { block, txIds, stateWrites, treeNodes, staleNodes = [], touchedAccounts } = commit;
  const height: Height = block.height;
  const batch = new WriteBatch(buffer ?? 64 * 1024);

  writeKey.header(batch.begin(), height);
  writeHeader(batch.value(), block);
  batch.end();
  putList(batch, () => writeKey.envelopes(batch.begin(), height), block.envelopes);
  putList(batch, () => writeKey.results(batch.begin(), height), block.results);
  writeKey.transactionIds(batch.begin(), height);
  const ids = batch.value();
  for (const txId of txIds) ids.bytes(txId);
  batch.end();

  txIds.forEach((txId, index) => {
    writeKey.transaction(batch.begin(), txId);
    batch.value().u48(height).u16(index);
    batch.end();
  });
  for (const [key, value] of stateWrites) {
    if (!isKnown(key)) putPath(batch, key);
    writeKey.latest(batch.begin(), key);
    const latest = batch
      .value()
      .u48(height)
      .u8(value === undefined ? 0 : 1);
    if (value !== undefined) latest.bytes(value);
    batch.end();
    writeKey.version(batch.begin(), key, height);
    const version = batch.value().u8(value === undefined ? 0 : 1);
    if (value !== undefined) version.bytes(value);
    batch.end();
  }
  for (const { key, value } of treeNodes) {
    writeKey.treeNode(batch.begin(), key);
    batch.value().bytes(value);
    batch.end();
  }
  const touched = byAccount(touchedAccounts);
  for (const [account, indexes] of touched) {
    writeKey.history(batch.begin(), account, height);
    const out = batch.value();
    for (let position = indexes.length - 1; position >= 0; position--) out.u16(indexes[position] ?? 0);
    batch.end();
  }
  if (height === 0) putPathsMark(batch);
  else {
    writeKey.stale(batch.begin(), height, pruningLists.state);
    writeTextList(batch.value(), stateWrites.keys());
    writeShortList(batch.out, staleNodes);
    batch.end();
    if (touched.size > 0) {
      writeKey.stale(batch.begin(), height, pruningLists.accounts);
      writeTextList(batch.value(), touched.keys());
      batch.end();
    }
  }
  writeKey.meta(batch.begin(), 'head');
  writeHead(batch.value(), head);
  batch.end();
  return batch;
}

/** Notes which key has its place at a path, so that the state can be read in the order of the tree. */
export function putPath(batch: WriteBatch, key: StateKey, path: Uint8Array = stateKeyPath(key)): void {
  writeKey.path(batch.begin(), path);
  batch.value().text(key);
  batch.end();
}

/** Says that the path of every state key is noted. */
export function putPathsMark(batch: WriteBatch): void {
  writeKey.meta(batch.begin(), 'paths');
  batch.value();
  batch.end();
}
