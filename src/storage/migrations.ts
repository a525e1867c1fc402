/**
 * Formats of a store and how one becomes the next (docs/upgrades.md). A format says what it is and since which format
 * software may use it: a store that has moved on is refused by software that is too old for it, before anything is
 * written.
 */
import { recordIdentity } from './check-on-open.js';
import type { KeyValueEngine } from './engine.js';
import { StorageError } from './errors.js';
import type { Identity } from './identity.js';

/** A change of the layout of keys and values. */
export interface Migration {
  /** Format of the store afterwards: one more than before. */
  readonly to: number;
  /** Software that knows this format or a later one may use the store afterwards, without undoing the change. */
  readonly compatibleSince: number;
  /** What it does: "the index of … is made". */
  readonly title: string;
  /**
   * Carries it out, in synced units of bounded size. It may be interrupted anywhere, and is then run again from its start:
   * what was done already must do no harm.
   */
  run(engine: KeyValueEngine): Promise<void>;
}

/** All migrations in order, the first one from format 1 to 2. */
const migrations: readonly Migration[] = [
  {
    to: 2,
    compatibleSince: 2,
    title: 'the store says which versions of the software may use it',
    // The identity is written anew after each step.
    run: () => Promise.resolve(),
  },
];

/** What software knows about formats. */
export interface Layout {
  /** The format that it writes. */
  readonly format: number;
  readonly compatibleSince: number;
  readonly migrations: readonly Migration[];
}

/** The layout of software that has these migrations. */
export function layoutOf(steps: readonly Migration[]): Layout {
  const last = steps.at(-1);
  return { format: last?.to ?? 1, compatibleSince: last?.compatibleSince ?? 1, migrations: steps };
}

/** What this software knows. */
export const currentLayout: Layout = layoutOf(migrations);

/** One step of a migration. */
export interface MigrationStep {
  readonly from: number;
  readonly to: number;
  /** What is done. */
  readonly title: string;
}

/** Step by step, each ended by the identity of its format: an interrupted one is begun again. Rejects with a
 * StorageError. */
export async function migrate(
  db: KeyValueEngine,
  found: Identity,
  { migrations: steps }: Layout,
  migrating: ((step: MigrationStep) => void) | undefined,
): Promise<void> {
  for (const step of steps) {
    const { to, compatibleSince, title } = step;
    if (to <= found.format) continue;
    migrating?.({ from: to - 1, to, title });
    await step.run(db);
    await recordIdentity(db, { ...found, format: to, compatibleSince });
  }
}

/** The refusal of a store that would have to be migrated, by who only looks at it. */
export function tooOld(dir: string, found: number, needed: number): StorageError {
  return new StorageError(
    'FORMAT_TOO_OLD',
    `The store in "${dir}" has format ${found}; this version needs ${needed} and does not migrate a store that it only ` +
      'looks at. Use the version that wrote it, or start the node once with this one.',
    { dir, found: String(found), needed: String(needed) },
  );
}
