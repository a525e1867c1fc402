/** Bit masks of the 16 slots of a node, and positions of its binary levels: 1 is the whole node, 2p and 2p + 1 are the
 * halves of p, and slot s is 16 + s. */

/** What a subtree holds. */
export type SubtreeKind = 'empty' | 'leaf' | 'many';

/** Number of bits that are set in a mask. */
export function ones(mask: number): number {
  let bits = mask - ((mask >>> 1) & 0x5555);
  bits = (bits & 0x3333) + ((bits >>> 2) & 0x3333);
  bits = (bits + (bits >>> 4)) & 0x0f0f;
  return (bits + (bits >>> 8)) & 31;
}

/** Mask of the slots below a position. */
export function slotsBelow(position: number): number {
  return slotRanges[position] ?? 0;
}

const slotRanges: readonly number[] = Array.from({ length: 32 }, (_, position) => {
  if (position === 0) return 0;
  const level = 31 - Math.clz32(position);
  const width = 16 >>> level;
  return (((1 << width) - 1) << ((position - (1 << level)) * width)) & 0xffff;
});
