import type { Changes } from './changes.js';
import { levelsPerNode, nothing, type NodeArena, type Ref } from './node-arena.js';
import { nodeKey } from './node-key.js';
import { corruptNode, missingNode, readNode } from './stored-node.js';
import type { NodeReader } from './types.js';

const leafBytes = 64;

/** A stored node on the ways of the changes from `start` up to `end`, at a depth of so many bits. */
interface Visit {
  readonly node: Ref;
  readonly depth: number;
  readonly start: number;
  readonly end: number;
}

/** Reads the root of a version, whose hash nobody here knows. Rejects with a StateTreeError. */
export async function loadRoot(arena: NodeArena, version: number, reader: NodeReader): Promise<Ref> {
  const [bytes] = await reader.readNodes([nodeKey(version, noPath, 0, 0)]);
  if (bytes === undefined) throw missingNode(version);
  return readNode(arena, version, 0, bytes);
}

/**
 * Reads the nodes on the ways of the changes that are not in memory, with one call a level, and notes the time of all
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
    const found = await reader.readNodes(
      visits.map(({ node, depth, start }) =>
        nodeKey(arena.version(node), changes.bytes, start * leafBytes, depth / levelsPerNode),
      ),
    );
    for (const [index, { node, depth, start, end }] of visits.entries()) {
      const version = arena.version(node);
      const bytes = found[index];
      if (bytes === undefined) throw missingNode(version);
      const read = readNode(arena, version, depth / levelsPerNode, bytes);
      if (read <= 0 || !arena.takeChildren(node, read)) throw corruptNode(version);
      visit(arena, changes, time, node, depth, start, end, missing);
    }
  }
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
