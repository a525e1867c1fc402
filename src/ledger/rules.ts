/** Versions of the ledger's rules: which this software knows, and which is in force in a state. */
import { decodeGovernance, type Governance } from '../codec/index.js';
import {
  asHeight,
  DefectError,
  newestRules,
  QuaestorError,
  type Height,
  type StateKey,
} from '../types/index.js';
import { stateKeys } from './keys.js';

/** What is in force in a state without a record of it. */
export const firstGovernance: Governance = { rulesVersion: 1, scheduled: [] };

/** The chain goes on under rules that this software does not know. */
export class RulesUnknownError extends QuaestorError {
  constructor(version: number, height: Height) {
    super(
      'RULES_UNKNOWN',
      `From height ${height} on, blocks are executed under version ${version} of the ledger's rules; this software ` +
        `knows versions up to ${newestRules}. Nothing is lost: install a version of the software that knows it, and start again.`,
      { version: String(version), height: String(height), known: String(newestRules) },
    );
  }
}

/** Why this software can't go on above a block, if the rules of the next height are not among those that it knows. */
export function unknownRules({ rulesVersion }: Governance, height: Height): RulesUnknownError | undefined {
  return rulesVersion > newestRules ? new RulesUnknownError(rulesVersion, asHeight(height + 1)) : undefined;
}

/** What is in force in a state, and what waits. Throws a DefectError when the record is damaged. */
export function governanceIn(state: { get(key: StateKey): Uint8Array | undefined }): Governance {
  const bytes = state.get(stateKeys.governance);
  if (bytes === undefined) return firstGovernance;
  const decoded = decodeGovernance(bytes);
  if (decoded.ok) return decoded.value;
  throw new DefectError(
    `The state's record "governance" is damaged: ${decoded.error.message} Restore this validator's store from a backup or from its peers.`,
  );
}

/** The next change of the rules that is decided, if any. */
export function scheduledRules({
  scheduled,
}: Governance): { readonly version: number; readonly height: Height } | undefined {
  const [first] = scheduled;
  return first === undefined ? undefined : { version: first.change.version, height: first.height };
}

/** What is in force at the height after a block, given what was in force at the block. */
export function governanceAfter(governance: Governance, height: Height): Governance {
  const next = asHeight(height + 1);
  if (!governance.scheduled.some((change) => change.height <= next)) return governance;
  let { rulesVersion } = governance;
  for (const { change, height: from } of governance.scheduled) {
    if (from <= next) rulesVersion = change.version;
  }
  return { rulesVersion, scheduled: governance.scheduled.filter((change) => change.height > next) };
}
