import { verifyStateRange, type RangeProof } from '../crypto/index.js';
import type { Result } from '../types/index.js';
import { compareBytes, err, ok } from '../types/index.js';
import type { InstallChunk, StateChunk } from '../storage/types.js';

/** A part of a state as a peer gives it. Not checked. */
export interface FetchedState extends StateChunk {
  readonly proof: RangeProof;
}

/**
 * Checks that under a state root a chunk has all keys with paths from `from` to where it says that it ends, not beyond
 * `until`, and nothing else. The error says what is false about it.
 */
export function verifyChunk(
  { entries, to, proof }: FetchedState,
  request: { readonly root: Uint8Array; readonly from: Uint8Array; readonly until: Uint8Array },
): Result<InstallChunk, string> {
  const { root, from, until } = request;
  if (compareBytes(to, from) < 0 || compareBytes(to, until) > 0) return err('it covers another range');
  const proven = verifyStateRange(root, { from, to }, entries, proof);
  if (proven === undefined) {
    return err('it is not what the certified state has in this range');
  }
  return ok({ entries, proven, to });
}
