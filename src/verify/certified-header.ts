import type { BlockHeader } from '../codec/index.js';
import type { Digest } from '../types/index.js';

/** A header that is proven final. Made only by `verifyCertificate` and `verifyHeader`. */
export interface CertifiedHeader {
  readonly header: BlockHeader;
  /** Canonical bytes of `header`. */
  readonly headerBytes: Uint8Array;
  readonly digest: Digest;
  /** Ids of the validators whose signatures were checked; none at height 0. */
  readonly signers: readonly string[];
}
