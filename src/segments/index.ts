/**
 * Sealed segments: immutable, compressed files of consecutive final blocks in object storage, and the manifest by which
 * a block is found (docs/segments.md). Reads nothing of a store and decides nothing about what is kept there.
 */
export { SegmentBuilder, type SegmentParent, type SegmentSink } from './builder.js';
export { SegmentError, type SegmentErrorCode } from './errors.js';
export { manifestKey, segmentKey } from './format.js';
export { readManifest, segmentOf, writeManifest } from './manifest.js';
export { checkContentHash, SegmentReader, type PlacedBlock } from './reader.js';
export { trustManifest, verifySealedBlock, verifySegment, type VerifiedBlock } from './verify.js';
