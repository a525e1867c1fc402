/** Checks what is read of segments against what a genesis makes a verifier believe. */
import {
  type SealedBlock,
  type SegmentEntry,
  type SegmentManifest,
  type TransactionResult,
} from '../codec/index.js';
import type { ObjectStore } from '../objects/index.js';
import { equalBytes, type Digest, type Height } from '../types/index.js';
import { followHeader, followSetChanges, verifyCertificate, verifyContent } from '../verify/index.js';
import type { CertifiedHeader, ChainTrust, VerifyError } from '../verify/index.js';
import { SegmentError } from './errors.js';
import { checkContentHash, SegmentReader } from './reader.js';

/** A block of a segment that is proven final, with what is in it. */
export interface VerifiedBlock {
  readonly certified: CertifiedHeader;
  readonly block: SealedBlock;
  readonly results: readonly TransactionResult[];
}

/** The trust that knows all validator sets which a manifest leads to. Throws NOT_FINAL when it proves something else. */
export function trustManifest(trust: ChainTrust, manifest: SegmentManifest): ChainTrust {
  const followed = followSetChanges(trust, manifest.setChanges);
  if (!followed.ok) throw notFinal('The changes of the validator set in the manifest', followed.error);
  return followed.value;
}

/** Checks one block by itself: height, certificate, transactions and results. Throws a SegmentError. */
export function verifySealedBlock(trust: ChainTrust, height: Height, block: SealedBlock): VerifiedBlock {
  const certified = verifyCertificate(trust, block.header, block.certificate);
  if (!certified.ok) throw notFinal(`Block ${height} of the segment`, certified.error);
  return withContent(certified.value, height, block);
}

/**
 * Checks a whole segment, block by block: the hash of its file, that its blocks are those that the manifest names, that
 * each follows the one before and is final with exactly these transactions and results. `onBlock` gets each that is
 * proven. Rejects with a SegmentError.
 */
export async function verifySegment(
  objects: ObjectStore,
  trust: ChainTrust,
  entry: SegmentEntry,
  onBlock?: (verified: VerifiedBlock) => Promise<void> | void,
): Promise<void> {
  await checkContentHash(objects, entry);
  const reader = await SegmentReader.open(objects, entry);
  let previous: CertifiedHeader | undefined;
  for await (const { height, block } of reader.blocks()) {
    const verified: VerifiedBlock = followBlock(trust, previous, height, block);
    const { header, digest } = verified.certified;
    if (previous === undefined) {
      expectDigest(header.prevHash, entry.previousDigest, height, 'names another block as the one before it');
      expectDigest(digest, entry.firstDigest, height, 'is not the first one that the manifest names');
    }
    previous = verified.certified;
    await onBlock?.(verified);
  }
  if (previous !== undefined) {
    const { digest, header } = previous;
    expectDigest(digest, entry.lastDigest, header.height, 'is not the last one that the manifest names');
  }
}

function followBlock(
  trust: ChainTrust,
  previous: CertifiedHeader | undefined,
  height: Height,
  block: SealedBlock,
): VerifiedBlock {
  const followed = followHeader(trust, { header: block.header, certificate: block.certificate }, previous);
  if (!followed.ok) {
    if (followed.error.code === 'BROKEN_LINK') {
      throw new SegmentError('BROKEN_LINK', followed.error.message, followed.error.details, followed.error);
    }
    throw notFinal(`Block ${height} of the segment`, followed.error);
  }
  return withContent(followed.value.tip, height, block);
}

function withContent(certified: CertifiedHeader, height: Height, block: SealedBlock): VerifiedBlock {
  if (certified.header.height !== height) {
    throw new SegmentError(
      'BROKEN_LINK',
      `Where block ${height} should be, the segment has block ${certified.header.height}.`,
    );
  }
  const content = verifyContent(certified, block.envelopes, block.results);
  if (!content.ok) throw notFinal(`Block ${height} of the segment`, content.error);
  return { certified, block, results: content.value };
}

function expectDigest(found: Digest, wanted: Digest, height: Height, problem: string): void {
  if (equalBytes(found, wanted)) return;
  throw new SegmentError('BROKEN_LINK', `Block ${height} of the segment ${problem}.`);
}

const notFinal = (what: string, error: VerifyError): SegmentError =>
  new SegmentError('NOT_FINAL', `${what} proves nothing: ${error.message}`, error.details, error);
