import { QuaestorError } from '../../types/index.js';

/** A node that is missing or damaged in the store: STATE_NODE_MISSING or STATE_NODE_CORRUPT. */
export class StateTreeError extends QuaestorError {}

/** Error for a node of a version that does not hold what it should. */
export const corruptNode = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_CORRUPT',
    `A node of the state tree, of version ${version}, is damaged in the store. Restore the store from a backup, or ` +
      `remove it and let the node catch up from its peers.`,
    { version: String(version) },
  );

/** Error for a node of a version that is not there. */
export const missingNode = (version: number): StateTreeError =>
  new StateTreeError(
    'STATE_NODE_MISSING',
    `The store has no node of the state tree of version ${version}: that version was pruned, or the store is ` +
      `incomplete. Ask for a later height; if it is needed for the latest one, restore the store from a backup.`,
    { version: String(version) },
  );
