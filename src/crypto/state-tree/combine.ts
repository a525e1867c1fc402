import { nothing, type NodeArena, type Ref } from './node-arena.js';

/** The subtree over two halves: a lone leaf stands for itself, at whatever depth. */
export function combine(arena: NodeArena, left: Ref, right: Ref): Ref {
  if (left === nothing && right <= 0) return right;
  if (right === nothing && left < 0) return left;
  return arena.addInner(left, right);
}
