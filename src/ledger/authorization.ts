import type { KeyPolicy, KeySignature, ResultCode } from '../codec/index.js';
import { compareBytes, equalBytes, type StateKey } from '../types/index.js';
import { stateKeys, validatorSetIds } from './keys.js';
import { handlerOf, rulesNeeded } from './operations/index.js';
import { recordKey, records } from './records.js';
import { governanceIn } from './rules.js';
import type { DecodedTransaction, Signatories, StateView } from './types.js';

/** Whether signatures that hold satisfy a policy. Both lists are in ascending order of public key, as the codec makes
 * sure. */
export function satisfies(policy: KeyPolicy, signatures: readonly KeySignature[]): boolean {
  let weight = 0;
  let next = 0;
  for (const key of policy.keys) {
    let signature = signatures[next];
    while (signature !== undefined) {
      const order = compareBytes(signature.publicKey, key.publicKey);
      if (order > 0) break;
      signature = signatures[++next];
      if (order === 0) {
        weight += key.weight;
        break;
      }
    }
    if (weight >= policy.threshold) return true;
    if (signature === undefined) return false;
  }
  return false;
}

/** Outcome of the check at the door: that of the block, as far as it depends on who signed. */
export type Authorization = Extract<
  ResultCode,
  | 'OK'
  | 'UNKNOWN_SENDER'
  | 'SENDER_NOT_AUTHORIZED'
  | 'ACCOUNT_NOT_AUTHORIZED'
  | 'PARTY_NOT_AUTHORIZED'
  | 'VALIDATOR_NOT_AUTHORIZED'
  | 'RULES_NOT_ACTIVE'
>;

/** Keys that `authorize` reads: the sender's record, those of the accounts that pay, the validators when one speaks,
 * and the rules in force when an operation is not of the first ones. */
export function authorizationReads({ payload }: DecodedTransaction): StateKey[] {
  const keys = [recordKey(records.member, payload.sender)];
  const add = (key: StateKey): void => {
    if (!keys.includes(key)) keys.push(key);
  };
  if (rulesNeeded(payload.operations) > 1) keys.push(stateKeys.governance);
  for (const operation of payload.operations) {
    const handler = handlerOf(operation);
    const payer = handler.payer(operation);
    if (payer !== undefined) {
      add(recordKey(records.account, payer));
    }
    const signatories = handler.signatories?.(operation);
    for (const member of signatories?.members ?? []) add(recordKey(records.member, member));
    for (const account of signatories?.accounts ?? []) add(recordKey(records.account, account));
    if (handler.speaker !== undefined && !keys.includes(stateKeys.currentValidators)) {
      keys.push(stateKeys.currentValidators);
    }
  }
  return keys;
}

/**
 * Judges at the door, by the latest committed state, whether the signatures are those that the transaction needs. It
 * keeps out what cannot be charged to its sender, and envelopes that somebody stripped of signatures on their way. An
 * account that does not exist (yet) or has another owner is left for the block to judge.
 */
export function authorize({ payload, envelope }: DecodedTransaction, state: StateView): Authorization {
  const rules = rulesNeeded(payload.operations);
  if (rules > 1 && rules > governanceIn(state).rulesVersion) return 'RULES_NOT_ACTIVE';
  const member = read(state, records.member, payload.sender);
  if (member === undefined) return 'UNKNOWN_SENDER';
  if (!satisfies(member.policy, envelope.signatures)) return 'SENDER_NOT_AUTHORIZED';
  for (const operation of payload.operations) {
    const handler = handlerOf(operation);
    const payer = handler.payer(operation);
    const account = payer === undefined ? undefined : read(state, records.account, payer);
    if (account?.policy !== undefined && account.owner === payload.sender) {
      if (!satisfies(account.policy, envelope.signatures)) return 'ACCOUNT_NOT_AUTHORIZED';
    }
    const missing = missingSignatory(handler.signatories?.(operation), envelope.signatures, state);
    if (missing !== undefined) return missing;
    const speaker = handler.speaker?.(operation);
    if (speaker !== undefined && !speakerSigned(speaker, payload.sender, envelope.signatures, state)) {
      return 'VALIDATOR_NOT_AUTHORIZED';
    }
  }
  return 'OK';
}

/** Which of those who have to sign has not; who does not exist is left for the block. */
function missingSignatory(
  signatories: Signatories | undefined,
  signatures: readonly KeySignature[],
  state: StateView,
): Authorization | undefined {
  if (signatories === undefined) return undefined;
  const signed = (policy: KeyPolicy | undefined): boolean =>
    policy === undefined || satisfies(policy, signatures);
  if (!signatories.members.every((id) => signed(read(state, records.member, id)?.policy))) {
    return 'PARTY_NOT_AUTHORIZED';
  }
  return signatories.accounts.every((id) => signed(read(state, records.account, id)?.policy))
    ? undefined
    : 'ACCOUNT_NOT_AUTHORIZED';
}

/** Whether a validator's key is among those that signed; one that the sender does not run is left for the block. */
function speakerSigned(
  speaker: string,
  sender: string,
  signatures: readonly KeySignature[],
  state: StateView,
): boolean {
  const set = read(state, records.validatorSet, validatorSetIds.current);
  const validator = set?.validators.find(({ id }) => id === speaker);
  if (validator?.member !== sender) return true;
  return signatures.some(({ publicKey }) => equalBytes(publicKey, validator.publicKey));
}

function read<T>(
  state: StateView,
  kind: { readonly prefix: string; decode(bytes: Uint8Array, id: string): T },
  id: string,
): T | undefined {
  const bytes = state.get(recordKey(kind, id));
  return bytes === undefined ? undefined : kind.decode(bytes, id);
}
