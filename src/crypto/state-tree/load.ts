import type { Changes } from './changes.js';
import { levelsPerNode, nothing, type NodeArena, type Ref } from './node-arena.js';
import { nodeKey } from './node-key.js';
import { corruptNode, missingNode } from './errors.js';
import { readNode, versionBelow } from './stored-node.js';
import type { NodeReader } from './types.js';

const leafBytes = 64;

/** A stored node on the ways of the changes from `start` up to `end`, at a depth of so many bits. */
interface Visit {
  readonly node: Ref;
  readonly depth: number;
  readonly start: number;
  readonly end: number;
}

/** Where a node is stored. The path begins at an offset; the depth is in half-bytes. */
interface Place {
  readonly version: number;
  readonly path: Uint8Array;
  readonly offset: number;
  readonly depth: number;
}

/** Reads the root of a version, whose hash nobody here knows. Rejects with a StateTreeError. */
export async function loadRoot(arena: NodeArena, version: number, reader: NodeReader): Promise<Ref> {
  const [root = nothing] = await readNodes(arena, [{ version, path: noPath, offset: 0, depth: 0 }], reader);
  return root;
}

/**
 * Reads the nodes on the ways of the changes that are not in memory, with two calls a level at most, and notes the time of all
 * that are stored. What is read must have the hash that its parent says. Rejects with a StateTreeError.
 */
export async function loadWays(
  arena: NodeArena,
  root: Ref,
  changes: Changes,
  time: number,
  reader: NodeReader,
): Promise<void> {
  let missing: Visit[] = [];
  visit(arena, changes, time, root, 0, 0, changes.count, missing);
  while (missing.length > 0) {
    const visits = missing;
    missing = [];
    const found = await readNodes(
      arena,
      visits.map(({ node, depth, start }) => ({
        version: arena.version(node),
        path: changes.bytes,
        offset: start * leafBytes,
        depth: depth / levelsPerNode,
      })),
      reader,
    );
    for (const [index, { node, depth, start, end }] of visits.entries()) {
      const read = found[index] ?? nothing;
      if (read <= 0 || !arena.become(node, read)) throw corruptNode(arena.version(node));
      visit(arena, changes, time, node, depth, start, end, missing);
    }
  }
}

/** Reads nodes into an arena, with one call, and one more for the full forms that some of them build on. */
async function readNodes(
  arena: NodeArena,
  places: readonly Place[],
  reader: NodeReader,
): Promise<readonly Ref[]> {
  const keyAt = ({ path, offset, depth }: Place, version: number): Uint8Array =>
    nodeKey(version, path, offset, depth);
  const found = await reader.readNodes(places.map((place) => keyAt(place, place.version)));
  const below = places.map(({ version }, index) => {
    const bytes = found[index];
    if (bytes === undefined) throw missingNode(version);
    return versionBelow(version, bytes);
  });
  const keys = places.flatMap((place, index) => {
    const version = below[index];
    return version === undefined ? [] : [keyAt(place, version)];
  });
  const full = keys.length === 0 ? [] : await reader.readNodes(keys);
  let next = 0;
  return places.map(({ version, depth }, index) => {
    const bytes = found[index] ?? noPath;
    const fullVersion = below[index];
    if (fullVersion === undefined) return readNode(arena, version, depth, bytes, undefined);
    const fullBytes = full[next++];
    if (fullBytes === undefined) throw missingNode(fullVersion);
    return readNode(arena, version, depth, bytes, fullBytes);
  });
}

const noPath = new Uint8Array(0);

function visit(
  arena: NodeArena,
  changes: Changes,
  time: number,
  ref: Ref,
  depth: number,
  start: number,
  end: number,
  missing: Visit[],
): void {
  if (ref <= nothing || start === end) return;
  if (depth % levelsPerNode === 0) {
    arena.markUsed(ref, time);
    if (!arena.isLoaded(ref)) {
      missing.push({ node: ref, depth, start, end });
      return;
    }
  }
  const middle = changes.split(start, end, depth);
  visit(arena, changes, time, arena.left(ref), depth + 1, start, middle, missing);
  visit(arena, changes, time, arena.right(ref), depth + 1, middle, end, missing);
}
