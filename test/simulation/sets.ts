/** Which validators decide which height, written down once more from docs/reconfiguration.md and as simply as possible. */
import { firstValidatorSet } from '../../src/codec/index.js';
import type {
  Genesis,
  Operation,
  ProposeValidatorSet,
  ResultCode,
  Validator,
  ValidatorSet,
} from '../../src/codec/model.js';
import { validatorSetHash, validatorSetProposalHash } from '../../src/crypto/index.js';
import { asHeight, equalBytes, toHex } from '../../src/types/index.js';
import type { Hash } from '../../src/types/index.js';

/** A machine's id as a validator; it stays while its places in validator sets change. */
export const idOf = (machine: number): string => `v${machine}`;
export const machineOf = (id: string): number => Number(id.slice(1));

/** Reckoned here once more. */
export const quorumFor = (size: number): number => Math.ceil((size + Math.floor((size - 1) / 3) + 1) / 2);

export type SetOperation = Extract<
  Operation,
  { kind: 'proposeValidatorSet' | 'approveValidatorSet' | 'withdrawValidatorSet' }
>;

export const isSetOperation = (operation: Operation): operation is SetOperation =>
  operation.kind.endsWith('ValidatorSet');

interface Proposal {
  readonly operation: ProposeValidatorSet;
  readonly approvals: Set<string>;
}

export class ValidatorSets {
  readonly #sets: ValidatorSet[];
  readonly #byHash = new Map<string, ValidatorSet>();
  readonly #proposals = new Map<string, Proposal>();
  readonly #window: number;
  #scheduled: ValidatorSet | undefined;

  constructor({ validators, parameters }: Genesis) {
    const first = firstValidatorSet(validators);
    this.#sets = [first];
    this.#byHash.set(toHex(validatorSetHash(first)), first);
    this.#window = parameters.pipelineWindowBlocks;
  }

  /** The set in force after the last block. */
  get current(): ValidatorSet {
    return this.#sets.at(-1)!;
  }

  /** What is decided and not yet in force. */
  get scheduled(): ValidatorSet | undefined {
    return this.#scheduled;
  }

  /** The set that decides a height, as far as the blocks up to now say. */
  at(height: number): ValidatorSet {
    return this.#sets.findLast(({ activationHeight }) => activationHeight <= height) ?? this.#sets[0]!;
  }

  withHash(hash: Hash): ValidatorSet | undefined {
    return this.#byHash.get(toHex(hash));
  }

  proposalOf(validator: string): ProposeValidatorSet | undefined {
    return this.#proposals.get(validator)?.operation;
  }

  /** What an operation in a block does; `signed` says whether a key is among those of its signatures. A sentence when
   * no block may hold it. */
  apply(
    operation: SetOperation,
    sender: string,
    height: number,
    signed: (validator: Validator) => boolean,
  ): { readonly code: ResultCode } | string {
    const set = this.current;
    const speaker = set.validators.find(({ id }) => id === operation.validator);
    if (speaker?.member !== sender) return { code: 'NOT_A_VALIDATOR' };
    if (!signed(speaker)) return 'the validator that speaks has not signed it';
    if (operation.kind === 'withdrawValidatorSet')
      return { code: this.#proposals.delete(operation.validator) ? 'OK' : 'UNKNOWN_PROPOSAL' };
    if (this.#scheduled !== undefined) return { code: 'CHANGE_SCHEDULED' };
    const base = validatorSetHash(set);
    if (operation.kind === 'proposeValidatorSet') {
      if (!equalBytes(operation.baseValidatorSetHash, base)) return { code: 'VALIDATOR_SET_CHANGED' };
      if (operation.expiresHeight < height) return { code: 'HEIGHT_OUT_OF_RANGE' };
      this.#proposals.set(operation.validator, { operation, approvals: new Set([operation.validator]) });
      this.#decide(operation.validator, height);
      return { code: 'OK' };
    }
    const proposal = this.#proposals.get(operation.proposer);
    if (
      proposal === undefined ||
      !equalBytes(validatorSetProposalHash(proposal.operation), operation.proposalHash)
    )
      return { code: 'UNKNOWN_PROPOSAL' };
    if (!equalBytes(proposal.operation.baseValidatorSetHash, base)) return { code: 'VALIDATOR_SET_CHANGED' };
    if (proposal.operation.expiresHeight < height) return { code: 'PROPOSAL_EXPIRED' };
    if (proposal.approvals.has(operation.validator)) return { code: 'ALREADY_APPROVED' };
    proposal.approvals.add(operation.validator);
    this.#decide(operation.proposer, height);
    return { code: 'OK' };
  }

  /** After all transactions of a block. */
  blockEnds(height: number): void {
    if (this.#scheduled?.activationHeight !== height + 1) return;
    this.#sets.push(this.#scheduled);
    this.#byHash.set(toHex(validatorSetHash(this.#scheduled)), this.#scheduled);
    this.#scheduled = undefined;
  }

  #decide(proposer: string, height: number): void {
    const set = this.current;
    const proposal = this.#proposals.get(proposer);
    if (proposal === undefined || proposal.approvals.size < quorumFor(set.validators.length)) return;
    this.#proposals.delete(proposer);
    const { validators, notBeforeHeight } = proposal.operation;
    this.#scheduled = {
      validators,
      epoch: set.epoch + 1,
      activationHeight: asHeight(Math.max(height + this.#window + 1, notBeforeHeight)),
    };
  }
}
