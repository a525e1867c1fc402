/**
 * Which versions of the peer protocol two nodes speak. Each says its range in the metadata of a call, which nodes from
 * before this was agreed ignore; the highest common version is spoken. The layout of a Hello is the same in all versions
 * but for fields at its end.
 */
import { Metadata } from '@grpc/grpc-js';
import type { VersionRange } from '../../types/index.js';
import { formatVersionRange, parseVersionRange } from '../../types/index.js';

/** What this software speaks. */
export const peerVersions: VersionRange = { oldest: 1, newest: 1 };

const key = 'quaestor-versions';

/** Metadata that says what a node speaks. */
export function versionsMetadata(range: VersionRange): Metadata {
  const metadata = new Metadata();
  metadata.set(key, formatVersionRange(range));
  return metadata;
}

/** What the other side says that it speaks; undefined when it says nothing, as nodes did that only spoke one. */
export function offeredVersions(metadata: Metadata | undefined): VersionRange | undefined {
  const [value] = metadata?.get(key) ?? [];
  return typeof value === 'string' ? parseVersionRange(value) : undefined;
}

/** Why there is no connection, for an operator: both ranges are named. */
export function noCommonVersion(own: VersionRange, theirs: VersionRange): string {
  const newer = theirs.oldest > own.newest ? 'this node' : 'the other node';
  return (
    `it speaks version ${formatVersionRange(theirs)} of the peer protocol, this node ${formatVersionRange(own)}: ` +
    `${newer} has to be upgraded (docs/upgrades.md)`
  );
}
