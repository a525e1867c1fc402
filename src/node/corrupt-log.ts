import { QuaestorError } from '../types/index.js';

/** The error for a record of the consensus log that passed its checksum but makes no sense. */
export function decodeFailure(name: string): QuaestorError {
  return new QuaestorError(
    'CONSENSUS_LOG_DAMAGED',
    `The record "${name}" of the consensus log can't be read. Do not start this validator on this folder: restore the ` +
      `folder from a backup that is known to be the newest, or replace the validator's key and let it catch up on an empty folder.`,
    { record: name },
  );
}
