import { groupsOf, type Change, type ChangeGroup } from './changes.js';
import { nodeKey, prefixId } from './node-key.js';
import type { StateNode } from './node.js';

/** A node that changes concern, with the nodes below it that they concern too. */
export interface Visit {
  readonly version: number;
  readonly depth: number;
  /** See prefixId. */
  readonly id: number;
  readonly start: number;
  readonly end: number;
  /** Set once the node was read, as are the next two. */
  node: StateNode | undefined;
  groups: readonly ChangeGroup[];
  /** For each group, the visit of the inner child in its slot, if there is one. */
  below: readonly (Visit | undefined)[];
}

/** Finds the nodes for some visits: sets `node` of each. */
export type LoadNodes = (visits: readonly Visit[]) => Promise<void> | undefined;

/** Reads all nodes of a version that the changes concern, level by level from the root. */
export async function visitNodes(
  version: number,
  changes: readonly Change[],
  load: LoadNodes,
): Promise<Visit> {
  const root = visitOf(version, changes, 0, 0, changes.length);
  let level: Visit[] = [root];
  while (level.length > 0) {
    await load(level);
    const next: Visit[] = [];
    for (const visit of level) {
      const { node } = visit;
      if (node === undefined) continue;
      visit.groups = groupsOf(changes, visit.start, visit.end, visit.depth);
      visit.below = visit.groups.map(({ slot, start, end }) => {
        if ((node.innerMask & (1 << slot)) === 0) return undefined;
        const child = visitOf(node.childVersion(slot), changes, visit.depth + 1, start, end);
        next.push(child);
        return child;
      });
    }
    level = next;
  }
  return root;
}

function visitOf(
  version: number,
  changes: readonly Change[],
  depth: number,
  start: number,
  end: number,
): Visit {
  const path = changes[start]?.bytes ?? noPath;
  return { version, depth, id: prefixId(path, depth), start, end, node: undefined, groups: [], below: [] };
}

const noPath = new Uint8Array(0);

/** Storage key of a visit's node. */
export function keyOfVisit({ version, depth, start }: Visit, changes: readonly Change[]): Uint8Array {
  return nodeKey(version, changes[start]?.bytes ?? noPath, depth);
}
