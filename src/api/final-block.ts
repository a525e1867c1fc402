import type { CommitCertificate, Receipt } from '../codec/model.js';
import { merkleLeafHash, merklePaths } from '../crypto/index.js';
import type { StoredBlock } from '../storage/types.js';
import type { FinalBlock } from './ports.js';

/** A stored block with its certificate: every block but the genesis. */
export type CertifiedBlock = Pick<StoredBlock, 'height' | 'headerBytes' | 'results'> & {
  readonly certificate: CommitCertificate;
};

/** Prepares a committed block for receipts. Costs nothing until somebody asks for a path; then its tree is hashed once
 * for all. */
export function finalBlock(block: CertifiedBlock): FinalBlock {
  let paths: readonly (readonly Uint8Array[])[] | undefined;
  return {
    height: block.height,
    headerBytes: block.headerBytes,
    certificate: block.certificate,
    results: block.results,
    path(index) {
      paths ??= merklePaths(block.results.map(merkleLeafHash));
      const path = paths[index];
      if (path === undefined) throw new RangeError(`block ${block.height} has no transaction ${index}`);
      return path;
    },
  };
}

/** The receipt of the transaction at an index of a block. */
export function receiptOf(block: FinalBlock, index: number): Receipt {
  const result = block.results[index];
  if (result === undefined) throw new RangeError(`block ${block.height} has no transaction ${index}`);
  return {
    header: block.headerBytes,
    certificate: block.certificate,
    result,
    index,
    path: block.path(index),
  };
}
