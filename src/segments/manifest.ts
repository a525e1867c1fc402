import {
  bounds,
  decodeSegmentManifest,
  encodeChecked,
  encodeSegmentManifest,
  type SegmentEntry,
  type SegmentManifest,
} from '../codec/index.js';
import { ObjectStoreError, readObject, type ObjectStore } from '../objects/index.js';
import { equalBytes, invariant, toHex, type ChainId, type Height } from '../types/index.js';
import { SegmentError } from './errors.js';
import { manifestKey } from './format.js';

/** The manifest in object storage; undefined when there is none. Rejects with a SegmentError when it is malformed or of
 * another chain. */
export async function readManifest(
  objects: ObjectStore,
  chainId: ChainId,
): Promise<SegmentManifest | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readObject(objects, manifestKey, bounds.maxSegmentManifestBytes);
  } catch (error) {
    if (error instanceof ObjectStoreError && error.code === 'NOT_FOUND') {
      if ((await objects.head(manifestKey)) === undefined) return undefined;
    }
    throw error;
  }
  const decoded = decodeSegmentManifest(bytes);
  if (!decoded.ok) {
    throw new SegmentError(
      'MALFORMED',
      `The manifest of segments in ${objects.location} is malformed: ${decoded.error.message}`,
      {},
      decoded.error,
    );
  }
  const manifest = decoded.value;
  if (!equalBytes(manifest.chainId, chainId)) {
    throw new SegmentError(
      'WRONG_CHAIN',
      `The segments in ${objects.location} are of chain ${toHex(manifest.chainId)}, not of ${toHex(chainId)}.`,
    );
  }
  return manifest;
}

/** Writes the manifest in the place of the one before. */
export async function writeManifest(objects: ObjectStore, manifest: SegmentManifest): Promise<void> {
  const encoded = encodeChecked(encodeSegmentManifest, decodeSegmentManifest, manifest);
  invariant(encoded.ok, 'a manifest that is written can be read');
  await objects.put(manifestKey, encoded.value);
}

/** The segment that has the block of a height. */
export function segmentOf(manifest: SegmentManifest, height: Height): SegmentEntry | undefined {
  const { segments } = manifest;
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = segments[middle];
    if (entry !== undefined && entry.lastHeight < height) low = middle + 1;
    else high = middle;
  }
  const found = segments[low];
  return found !== undefined && found.firstHeight <= height ? found : undefined;
}
