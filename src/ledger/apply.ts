import {
  decodeParameters,
  encodeAppliedBlock,
  encodeValidatorSet,
  type Governance,
  type KeyPolicy,
  type Member,
  type Parameters,
  type ResultCode,
  type TransactionResult,
  type ValidatorSet,
} from '../codec/index.js';
import { asHeight, DefectError, newestRules, type Hash, type Height, type StateKey } from '../types/index.js';
import { satisfies } from './authorization.js';
import { Draft } from './draft.js';
import { stateKeys, validatorSetIds } from './keys.js';
import { handlerOf, rulesNeeded } from './operations/index.js';
import { records, type RecordKind } from './records.js';
import { BlockHashes } from './replay-window.js';
import { firstGovernance, governanceAfter, governanceIn, RulesUnknownError } from './rules.js';
import type {
  BlockInput,
  BlockOutput,
  CheckedTransaction,
  OperationContext,
  Refusal,
  StateView,
} from './types.js';

/**
 * Whether a transaction with this result in a block has used up its idempotency key there. The others may not be in a
 * block (`BlockOutput.inadmissible`): they are not the sender's doing, so nothing may be charged to it.
 */
export function usesIdempotencyKey(code: ResultCode): boolean {
  switch (code) {
    // Not the sender's doing: anyone can take signatures off an envelope, and a primary can be early or late. Software
    // that is right under the rules in force could not read a block with operations of later ones.
    case 'UNKNOWN_SENDER':
    case 'SENDER_NOT_AUTHORIZED':
    case 'ACCOUNT_NOT_AUTHORIZED':
    case 'PARTY_NOT_AUTHORIZED':
    case 'NEW_POLICY_NOT_SATISFIED':
    case 'VALIDATOR_NOT_AUTHORIZED':
    case 'EXPIRED':
    case 'VALIDITY_TOO_LONG':
    case 'RULES_NOT_ACTIVE':
      return false;
    default:
      return true;
  }
}

/** The lowest height whose idempotency hashes the block at `height` must know. */
export function replayWindowStart(height: Height, validityWindowBlocks: number): Height {
  // A transaction in block g had valid_until_height <= g + window; a block above that height refuses it as expired.
  return asHeight(Math.max(1, height - validityWindowBlocks));
}

/**
 * Whether a transaction whose idempotency key was used at a height can never be executed for that reason: it expires
 * before the use is forgotten. If it is valid for longer, a block may hold it once, as a DUPLICATE that counts as a use.
 */
export function isSettledByUse(
  validUntilHeight: Height,
  lastUse: Height,
  validityWindowBlocks: number,
): boolean {
  return validUntilHeight - lastUse <= validityWindowBlocks;
}

/** The network's parameters in a state. Throws a DefectError when they are missing or damaged. */
export function parametersIn(state: StateView): Parameters {
  const bytes = state.get(stateKeys.parameters);
  const decoded = bytes === undefined ? undefined : decodeParameters(bytes);
  if (decoded?.ok !== true) {
    throw new DefectError(
      `The state's record "parameters" is ${decoded === undefined ? 'missing' : 'damaged'}. Restore this validator's store from a backup or from its peers.`,
    );
  }
  return decoded.value;
}

/** Applies a block: a function of its arguments alone, without waiting for anything. Throws only on defects. */
export function applyBlock(input: BlockInput): BlockOutput {
  return new BlockExecution(input).run();
}

class BlockExecution implements OperationContext {
  readonly height: Height;
  readonly timeMs: number;
  sender = '';
  readonly #input: BlockInput;
  readonly #draft: Draft;
  readonly parameters: Parameters;
  readonly #governance: Governance;
  readonly #window: number;
  readonly #windowStart: Height;
  readonly #used: BlockHashes;
  readonly #usedInOrder: Hash[] = [];
  readonly #inadmissible: number[] = [];
  #transaction: CheckedTransaction | undefined;
  #member: Member | undefined;
  #touched: string[] = [];

  constructor(input: BlockInput) {
    this.#input = input;
    this.height = input.height;
    this.timeMs = input.timeMs;
    this.#draft = new Draft(input.state);
    this.#governance = governanceIn(input.state);
    const { rulesVersion } = this.#governance;
    if (rulesVersion > newestRules) throw new RulesUnknownError(rulesVersion, input.height);
    this.parameters = parametersIn(input.state);
    this.#window = this.parameters.validityWindowBlocks;
    this.#windowStart = replayWindowStart(input.height, this.#window);
    this.#used = new BlockHashes(input.height, input.transactions.length);
  }

  run(): BlockOutput {
    const results: TransactionResult[] = [];
    const touchedAccounts: (readonly string[])[] = [];
    for (const [index, transaction] of this.#input.transactions.entries()) {
      const result = this.#execute(transaction);
      results.push(result);
      if (!this.#useKey(transaction, result.code)) this.#inadmissible.push(index);
      touchedAccounts.push(this.#touched);
    }
    const nextValidatorSet = this.#dueValidatorSet();
    const governance = this.#nextGovernance();
    return {
      writes: this.#collectWrites(nextValidatorSet),
      results,
      touchedAccounts,
      idempotencyHashes: this.#usedInOrder,
      inadmissible: this.#inadmissible,
      nextValidatorSet,
      governance,
    };
  }

  get<T>(kind: RecordKind<T>, id: string): T | undefined {
    return this.#draft.get(kind, id);
  }

  has(kind: RecordKind<unknown>, id: string): boolean {
    return this.#draft.has(kind, id);
  }

  set<T>(kind: RecordKind<T>, id: string, value: T | undefined): void {
    this.#draft.set(kind, id, value);
  }

  authorizes(policy: KeyPolicy | undefined): boolean {
    const signatures = this.#transaction?.envelope.signatures ?? [];
    // The sender's own policy was the first thing checked.
    if (policy === undefined || policy === this.#member?.policy) return true;
    return satisfies(policy, signatures);
  }

  touch(account: string): void {
    if (!this.#touched.includes(account)) this.#touched.push(account);
  }

  #execute(transaction: CheckedTransaction): TransactionResult {
    const { txId, payload } = transaction;
    this.#touched = [];
    this.#transaction = transaction;
    this.sender = payload.sender;
    this.#member = this.#draft.get(records.member, payload.sender);
    const refusal = this.#refusal(transaction);
    if (refusal !== undefined) return { txId, code: refusal, failedOperation: 0 };
    this.#draft.begin();
    let failedOperation = 0;
    for (const operation of payload.operations) {
      failedOperation++;
      const outcome = handlerOf(operation).apply(operation, this);
      if (outcome === 'OK') continue;
      this.#draft.rollback();
      this.#touched = [];
      return { txId, failedOperation, ...this.#refused(outcome) };
    }
    return { txId, code: 'OK', failedOperation: 0 };
  }

  /** A refusal as the rules in force write it down: the first ones had no details. */
  #refused(outcome: ResultCode | Refusal): Pick<TransactionResult, 'code' | 'detail'> {
    if (typeof outcome === 'string') return { code: outcome };
    const { code, subject, actual, needed } = outcome;
    return this.#governance.rulesVersion < 2 ? { code } : { code, detail: { subject, actual, needed } };
  }

  /** Why the transaction as a whole is refused, if it is. */
  #refusal({ envelope, payload, idempotencyHash }: CheckedTransaction): ResultCode | undefined {
    if (rulesNeeded(payload.operations) > this.#governance.rulesVersion) return 'RULES_NOT_ACTIVE';
    if (this.#member === undefined) return 'UNKNOWN_SENDER';
    if (!satisfies(this.#member.policy, envelope.signatures)) return 'SENDER_NOT_AUTHORIZED';
    if (payload.validUntilHeight < this.height) return 'EXPIRED';
    if (payload.validUntilHeight - this.height > this.#window) return 'VALIDITY_TOO_LONG';
    if (this.#lastUse(idempotencyHash) !== undefined) return 'DUPLICATE';
    return undefined;
  }

  /** Last use of a key within the window, this block included. */
  #lastUse(idempotencyHash: Hash): Height | undefined {
    if (this.#used.has(idempotencyHash)) return this.height;
    const lastUse = this.#input.window.lastUse(idempotencyHash);
    return lastUse !== undefined && lastUse >= this.#windowStart ? lastUse : undefined;
  }

  /** Notes that a transaction used its key; false when no block may hold it with this result. */
  #useKey({ payload, idempotencyHash }: CheckedTransaction, code: ResultCode): boolean {
    if (!usesIdempotencyKey(code)) return false;
    const lastUse = code === 'DUPLICATE' ? this.#lastUse(idempotencyHash) : undefined;
    if (lastUse !== undefined && isSettledByUse(payload.validUntilHeight, lastUse, this.#window))
      return false;
    this.#used.add(idempotencyHash);
    this.#usedInOrder.push(idempotencyHash);
    return true;
  }

  /** The scheduled set, when the next height is its first. It was decided by an earlier block. */
  #dueValidatorSet(): ValidatorSet | undefined {
    const bytes = this.#input.state.get(stateKeys.scheduledValidators);
    if (bytes === undefined) return undefined;
    const set = records.validatorSet.decode(bytes, validatorSetIds.scheduled);
    return set.activationHeight === this.height + 1 ? set : undefined;
  }

  /** What is in force at the next height; a change that is due takes effect. */
  #nextGovernance(): Governance {
    const decided = this.#draft.get(records.governance, '');
    if (decided === undefined) return firstGovernance;
    const next = governanceAfter(decided, this.height);
    if (next !== decided) {
      this.#draft.begin();
      this.#draft.set(records.governance, '', next);
    }
    return next;
  }

  #collectWrites(nextValidatorSet: ValidatorSet | undefined): Map<StateKey, Uint8Array | undefined> {
    const writes = new Map<StateKey, Uint8Array | undefined>();
    this.#draft.collect(writes);
    if (nextValidatorSet !== undefined) {
      const bytes = encodeValidatorSet(nextValidatorSet);
      writes.set(stateKeys.scheduledValidators, undefined);
      writes.set(stateKeys.currentValidators, bytes);
      writes.set(stateKeys.epochValidators(nextValidatorSet.epoch), bytes);
    }
    // Written even when it is empty: then the record that leaves the window is there to be removed.
    writes.set(stateKeys.applied(this.height), encodeAppliedBlock({ idempotencyHashes: this.#usedInOrder }));
    const leaving = this.height - this.#window;
    if (leaving >= 1) writes.set(stateKeys.applied(asHeight(leaving)), undefined);
    return writes;
  }
}
