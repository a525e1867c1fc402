import { emptySubtreeHash, nibbleAt } from './hashing.js';
import { readHash } from './level-hashes.js';
import { hashBytes, leafBytes, type StateNode } from './node.js';
import type { StatePath } from './types.js';
import { equalBytes } from '../../types/index.js';

const nothing = new Uint8Array(0);

/** Walks down from the root of a version to where the path of a key ends, and notes the siblings. */
export async function pathTo(
  path: Uint8Array,
  version: number,
  load: (version: number, depth: number) => Promise<StateNode>,
): Promise<StatePath> {
  /** From the root downwards. */
  const siblings: Uint8Array[] = [];
  let nodeVersion = version;
  for (let depth = 0; ; depth++) {
    const node = await load(nodeVersion, depth);
    const slot = nibbleAt(path, depth);
    node.loadWay(slot);
    let position = 1;
    for (let level = 3; level >= 0 && node.kindAt(position) === 'many'; level--) {
      position = 2 * position + ((slot >>> level) & 1);
      siblings.push(shortForm(readHash(position ^ 1)));
    }
    if (node.kindAt(position) === 'many') {
      nodeVersion = node.childVersion(slot);
      continue;
    }
    siblings.reverse();
    return { siblings, ...otherLeaf(node, position, path) };
  }
}

/** The leaf at which the path ends, if it is another key's. */
function otherLeaf(
  node: StateNode,
  position: number,
  path: Uint8Array,
): Pick<StatePath, 'otherLeafPath' | 'otherLeafValueHash'> {
  if (node.kindAt(position) === 'leaf') {
    const { bytes, offset } = node.leaf(leafSlotBelow(node, position));
    const leafPath = bytes.slice(offset, offset + hashBytes);
    if (!equalBytes(leafPath, path)) {
      return {
        otherLeafPath: leafPath,
        otherLeafValueHash: bytes.slice(offset + hashBytes, offset + leafBytes),
      };
    }
  }
  return { otherLeafPath: nothing, otherLeafValueHash: nothing };
}

/** Slot of the only leaf below a position. */
function leafSlotBelow(node: StateNode, position: number): number {
  let at = position;
  while (at < 16) at = 2 * at + (node.kindAt(2 * at) === 'empty' ? 1 : 0);
  return at - 16;
}

function shortForm(hash: Uint8Array): Uint8Array {
  return equalBytes(hash, emptySubtreeHash) ? nothing : hash;
}
