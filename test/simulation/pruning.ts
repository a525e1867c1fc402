import { StorageError, type Store } from '../../src/storage/index.js';
import { asHeight } from '../../src/types/index.js';
import type { Random } from './random.js';

/** What a failing or damaged disk answers, and a process that ends. */
const expected = new Set(['CORRUPT', 'FAILED', 'IO', 'DISK_FULL', 'CLOSED']);

/** Which machines prune: the others keep all, so that every outcome can be told by somebody. */
export const prunes = (validators: number, machine: number): boolean => validators >= 4 && machine < 2;

/** Gives up some blocks and states that nobody needs any more, `lowest` being the height that every disk has, and removes
 * them step by step while the machine goes on. */
export async function pruneSome(store: Store, lowest: number, random: Random): Promise<void> {
  const states = lowest - 1 - random.integer(0, 2);
  const blocks = states - random.integer(0, 3);
  if (blocks <= store.base) return;
  try {
    await store.retain({ blocks: asHeight(blocks), states: asHeight(states) });
    while (!(await store.prune(random.integer(1, 30))).done);
  } catch (error) {
    if (!(error instanceof StorageError) || !expected.has(error.code)) throw error;
  }
}
