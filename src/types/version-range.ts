/** Versions of a protocol that one side speaks, both ends included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/** "3", or "2-4". */
export function formatVersionRange({ oldest, newest }: VersionRange): string {
  return oldest === newest ? String(oldest) : `${oldest}-${newest}`;
}

/** Reads what `formatVersionRange` writes; undefined when it is nothing of the kind. */
export function parseVersionRange(text: string): VersionRange | undefined {
  const match = /^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  const oldest = Number(match[1]);
  const newest = Number(match[2] ?? match[1]);
  return newest < oldest ? undefined : { oldest, newest };
}

/** The highest version that both speak; undefined when there is none. */
export function highestCommonVersion(left: VersionRange, right: VersionRange): number | undefined {
  const version = Math.min(left.newest, right.newest);
  return version < Math.max(left.oldest, right.oldest) ? undefined : version;
}
