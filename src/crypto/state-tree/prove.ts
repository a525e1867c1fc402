import { equalBytes } from '../../types/index.js';
import { nothing, type NodeArena, type Ref } from './node-arena.js';
import type { StatePath } from './types.js';

const hashBytes = 32;
const leafBytes = 64;
const noBytes = new Uint8Array(0);

/** Walks down from a root to where a path ends, and notes the siblings; undefined when a node there is not in memory. */
export function pathTo(arena: NodeArena, root: Ref, path: Uint8Array): StatePath | undefined {
  /** From the root downwards. */
  const siblings: Uint8Array[] = [];
  let ref = root;
  for (let depth = 0; ref > 0; depth++) {
    if (!arena.isLoaded(ref)) return undefined;
    const goesRight = (((path[depth >>> 3] ?? 0) >>> (7 - (depth & 7))) & 1) === 1;
    siblings.push(hashOf(arena, goesRight ? arena.left(ref) : arena.right(ref)));
    ref = goesRight ? arena.right(ref) : arena.left(ref);
  }
  siblings.reverse();
  const leaf = new Uint8Array(leafBytes);
  if (ref < 0) arena.copyLeaf(ref, leaf, 0);
  const leafPath = leaf.slice(0, hashBytes);
  return ref === nothing || equalBytes(leafPath, path)
    ? { siblings, otherLeafPath: noBytes, otherLeafValueHash: noBytes }
    : { siblings, otherLeafPath: leafPath, otherLeafValueHash: leaf.slice(hashBytes) };
}

function hashOf(arena: NodeArena, ref: Ref): Uint8Array {
  if (ref === nothing) return noBytes;
  const hash = new Uint8Array(hashBytes);
  arena.copyHash(ref, hash, 0);
  return hash;
}
