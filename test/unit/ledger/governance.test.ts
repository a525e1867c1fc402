import { describe, expect, it } from '@jest/globals';
import {
  decodeValidatorSet,
  decodeValidatorSetProposal,
  firstValidatorSet,
  type ApproveValidatorSet,
  type Operation,
  type ProposeValidatorSet,
  type Validator,
  type ValidatorSet,
} from '../../../src/codec/index.js';
import { validatorSetHash, validatorSetProposalHash } from '../../../src/crypto/index.js';
import { authorizationReads, authorize, checkInvariants, stateKeys } from '../../../src/ledger/index.js';
import { asHash, asHeight, limits, type Hash } from '../../../src/types/index.js';
import { keyOf, testGenesis, TestLedger, testParameters, transactionOf } from '../../helpers/ledger.js';

const validator = (id: string, member: string): Validator => ({ id, member, publicKey: keyOf(id) });
/** Two banks run two validators each. */
const four = [
  validator('v0', 'alpha'),
  validator('v1', 'alpha'),
  validator('v2', 'beta'),
  validator('v3', 'beta'),
];
const five = [...four, validator('v4', 'central')];
const members: Readonly<Record<string, string>> = {
  v0: 'alpha',
  v1: 'alpha',
  v2: 'beta',
  v3: 'beta',
  v4: 'central',
};
const genesis = testGenesis({ validators: four });
/** Blocks between the deciding one and the first of the new set. */
const margin = testParameters.pipelineWindowBlocks + 1;

function setAt(ledger: TestLedger, key = stateKeys.currentValidators): ValidatorSet | undefined {
  const bytes = ledger.state.get(key);
  if (bytes === undefined) return undefined;
  const decoded = decodeValidatorSet(bytes);
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

const hashInForce = (ledger: TestLedger): Hash => validatorSetHash(setAt(ledger)!);

function proposalOf(
  ledger: TestLedger,
  by: string,
  validators: readonly Validator[],
  change: Partial<ProposeValidatorSet> = {},
): ProposeValidatorSet {
  return {
    kind: 'proposeValidatorSet',
    validator: by,
    baseValidatorSetHash: hashInForce(ledger),
    validators,
    notBeforeHeight: asHeight(0),
    expiresHeight: asHeight(ledger.height + 50),
    ...change,
  };
}

const approvalOf = (by: string, proposal: ProposeValidatorSet): ApproveValidatorSet => ({
  kind: 'approveValidatorSet',
  validator: by,
  proposer: proposal.validator,
  proposalHash: validatorSetProposalHash(proposal),
});

/** Code of one operation, in a block of its own, sent by the validator's member, signed by it and the validator. */
function run(
  ledger: TestLedger,
  operation: Extract<Operation, { readonly validator: string }>,
  change: { readonly sender?: string; readonly signers?: readonly string[] } = {},
): string {
  const sender = change.sender ?? members[operation.validator] ?? 'central';
  const signers = change.signers ?? [sender, operation.validator];
  const transaction = transactionOf({
    sender,
    operations: [operation],
    signers,
    validUntil: ledger.height + 5,
  });
  return ledger.codes(transaction)[0] ?? '';
}

/** Decides a set in the next three blocks. */
function decide(
  ledger: TestLedger,
  validators: readonly Validator[],
  change: Partial<ProposeValidatorSet> = {},
): void {
  const proposal = proposalOf(ledger, 'v0', validators, change);
  expect(run(ledger, proposal)).toBe('OK');
  expect(run(ledger, approvalOf('v1', proposal))).toBe('OK');
  expect(setAt(ledger, stateKeys.scheduledValidators)).toBeUndefined();
  expect(run(ledger, approvalOf('v2', proposal))).toBe('OK');
}

describe('a change of the validator set', () => {
  it('is decided by a quorum and takes over more than a window later, by the header of the block before', () => {
    const ledger = new TestLedger(genesis);
    expect(setAt(ledger)).toEqual(firstValidatorSet(four));
    decide(ledger, five);
    const first = ledger.height + margin;
    const expected = { validators: five, epoch: 1, activationHeight: first };
    expect(setAt(ledger, stateKeys.scheduledValidators)).toEqual(expected);
    while (ledger.height < first - 2) expect(ledger.block([]).nextValidatorSet).toBeUndefined();
    expect(setAt(ledger)?.epoch).toBe(0);
    expect(ledger.block([]).nextValidatorSet).toEqual(expected);
    expect(setAt(ledger)).toEqual(expected);
    expect(setAt(ledger, stateKeys.scheduledValidators)).toBeUndefined();
    expect(setAt(ledger, stateKeys.epochValidators(0))).toEqual(firstValidatorSet(four));
    expect(setAt(ledger, stateKeys.epochValidators(1))).toEqual(expected);
    expect(ledger.block([]).nextValidatorSet).toBeUndefined();
    expect(checkInvariants(ledger.state).violations).toEqual([]);
  });

  it('waits for the height that it asks for', () => {
    const ledger = new TestLedger(genesis);
    decide(ledger, five, { notBeforeHeight: asHeight(30) });
    expect(setAt(ledger, stateKeys.scheduledValidators)?.activationHeight).toBe(30);
  });

  it('has another hash than every set before, even when the same validators come back', () => {
    const ledger = new TestLedger(genesis);
    const hashes = new Set([validatorSetHash(firstValidatorSet(four))].map(String));
    for (const next of [four.toReversed(), four, four.toReversed(), four]) {
      decide(ledger, next);
      while (setAt(ledger, stateKeys.scheduledValidators) !== undefined) ledger.block([]);
      hashes.add(String(hashInForce(ledger)));
      ledger.block([]);
    }
    expect(hashes.size).toBe(5);
    expect(setAt(ledger)?.epoch).toBe(4);
  });

  it('is decided by one validator where one is a quorum', () => {
    const ledger = new TestLedger(testGenesis({ validators: [four[0]!] }));
    expect(run(ledger, proposalOf(ledger, 'v0', four))).toBe('OK');
    expect(setAt(ledger, stateKeys.scheduledValidators)?.validators).toEqual(four);
    expect(ledger.state.has(stateKeys.validatorSetProposal('v0'))).toBe(false);
  });

  it('rotates a key: the old one signs until then, the new one from then on', () => {
    const ledger = new TestLedger(genesis);
    const rotated = four.map((one) => (one.id === 'v3' ? { ...one, publicKey: keyOf('v3-new') } : one));
    decide(ledger, rotated);
    const next = proposalOf(ledger, 'v3', five);
    expect(run(ledger, { kind: 'withdrawValidatorSet', validator: 'v3' })).toBe('UNKNOWN_PROPOSAL');
    while (setAt(ledger, stateKeys.scheduledValidators) !== undefined) ledger.block([]);
    expect(run(ledger, next)).toBe('VALIDATOR_NOT_AUTHORIZED');
    expect(run(ledger, proposalOf(ledger, 'v3', five), { signers: ['beta', 'v3-new'] })).toBe('OK');
  });
});

describe('proposals', () => {
  it('are one a validator: a later one replaces it, approvals included; it can be withdrawn', () => {
    const ledger = new TestLedger(genesis);
    const one = proposalOf(ledger, 'v0', five);
    const other = proposalOf(ledger, 'v0', four.slice(0, 3));
    expect(run(ledger, one)).toBe('OK');
    expect(run(ledger, approvalOf('v1', one))).toBe('OK');
    expect(run(ledger, other)).toBe('OK');
    expect(run(ledger, approvalOf('v2', one))).toBe('UNKNOWN_PROPOSAL');
    const kept = decodeValidatorSetProposal(ledger.state.get(stateKeys.validatorSetProposal('v0'))!);
    expect(kept.ok && kept.value.approvals).toEqual(['v0']);
    expect(run(ledger, { kind: 'withdrawValidatorSet', validator: 'v0' })).toBe('OK');
    expect(run(ledger, approvalOf('v2', other))).toBe('UNKNOWN_PROPOSAL');
    expect(ledger.state.has(stateKeys.validatorSetProposal('v0'))).toBe(false);
  });

  it('stand beside those of other validators; the first that is decided makes the others stale', () => {
    const ledger = new TestLedger(genesis);
    const mine = proposalOf(ledger, 'v3', four.slice(1));
    expect(run(ledger, mine)).toBe('OK');
    decide(ledger, five);
    expect(run(ledger, approvalOf('v2', mine))).toBe('CHANGE_SCHEDULED');
    while (setAt(ledger, stateKeys.scheduledValidators) !== undefined) ledger.block([]);
    expect(run(ledger, approvalOf('v2', mine))).toBe('VALIDATOR_SET_CHANGED');
  });

  it('do not count two approvals of one validator', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0', five);
    expect(run(ledger, proposal)).toBe('OK');
    expect(run(ledger, approvalOf('v0', proposal))).toBe('ALREADY_APPROVED');
    expect(run(ledger, approvalOf('v1', proposal))).toBe('OK');
    expect(run(ledger, approvalOf('v1', proposal))).toBe('ALREADY_APPROVED');
    expect(setAt(ledger, stateKeys.scheduledValidators)).toBeUndefined();
  });

  it('expire', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0', five, { expiresHeight: asHeight(2) });
    expect(run(ledger, proposal)).toBe('OK');
    expect(run(ledger, approvalOf('v1', proposal))).toBe('OK');
    expect(run(ledger, approvalOf('v2', proposal))).toBe('PROPOSAL_EXPIRED');
  });
});

describe('what is refused', () => {
  const ledger = new TestLedger(genesis);
  const proposal = proposalOf(ledger, 'v0', five);
  const other = asHash(new Uint8Array(32));

  it.each([
    ['a validator that is none', proposalOf(ledger, 'v9', five), { sender: 'alpha' }, 'NOT_A_VALIDATOR'],
    ['one of the next set', proposalOf(ledger, 'v4', five), {}, 'NOT_A_VALIDATOR'],
    ["another member's validator", proposal, { sender: 'beta', signers: ['beta', 'v0'] }, 'NOT_A_VALIDATOR'],
    ["without the validator's key", proposal, { signers: ['alpha'] }, 'VALIDATOR_NOT_AUTHORIZED'],
    ["with another validator's key", proposal, { signers: ['alpha', 'v1'] }, 'VALIDATOR_NOT_AUTHORIZED'],
    ["without the member's key", proposal, { signers: ['v0'] }, 'SENDER_NOT_AUTHORIZED'],
    ['another base', { ...proposal, baseValidatorSetHash: other }, {}, 'VALIDATOR_SET_CHANGED'],
    ['the set in force', { ...proposal, validators: four }, {}, 'VALIDATOR_SET_UNCHANGED'],
    ['an expiry in the past', { ...proposal, expiresHeight: asHeight(0) }, {}, 'HEIGHT_OUT_OF_RANGE'],
    [
      'an expiry too far ahead',
      { ...proposal, expiresHeight: asHeight(limits.maxGovernanceBlocks + 2) },
      {},
      'HEIGHT_OUT_OF_RANGE',
    ],
    [
      'a start too far ahead',
      { ...proposal, notBeforeHeight: asHeight(limits.maxGovernanceBlocks + 2) },
      {},
      'HEIGHT_OUT_OF_RANGE',
    ],
    [
      'a validator of an unknown member',
      { ...proposal, validators: [...four, validator('v4', 'nobody')] },
      {},
      'UNKNOWN_MEMBER',
    ],
  ] as const)('%s', (_, operation, change, code) => {
    expect(run(new TestLedger(genesis), operation, change)).toBe(code);
  });

  it('an approval of a proposal with another content', () => {
    const fresh = new TestLedger(genesis);
    expect(run(fresh, proposal)).toBe('OK');
    expect(run(fresh, approvalOf('v1', { ...proposal, validators: four.slice(1) }))).toBe('UNKNOWN_PROPOSAL');
    expect(run(fresh, approvalOf('v1', { ...proposal, validator: 'v2' }))).toBe('UNKNOWN_PROPOSAL');
  });

  it('by no block when the signature of the validator is missing: somebody may have taken it off', () => {
    const transaction = transactionOf({ sender: 'alpha', operations: [proposal] });
    expect(new TestLedger(genesis).block([transaction]).inadmissible).toEqual([0]);
  });

  it('at the door, for the same reason', () => {
    const state = new TestLedger(genesis).state;
    const judge = (...signers: string[]): string => {
      const transaction = transactionOf({ sender: 'alpha', operations: [proposal], signers });
      const declared = new Set(authorizationReads(transaction));
      return authorize(transaction, { get: (key) => (declared.has(key) ? state.get(key) : undefined) });
    };
    expect(judge('alpha', 'v0')).toBe('OK');
    expect(judge('alpha', 'v1')).toBe('VALIDATOR_NOT_AUTHORIZED');
    expect(judge('v0')).toBe('SENDER_NOT_AUTHORIZED');
  });

  it('a failing transaction leaves nothing behind', () => {
    const fresh = new TestLedger(genesis);
    const transaction = transactionOf({
      sender: 'alpha',
      signers: ['alpha', 'v0'],
      operations: [proposal, { kind: 'createAccount', account: 'alpha-1' }],
    });
    expect(fresh.codes(transaction)).toEqual(['ACCOUNT_EXISTS']);
    expect(fresh.state.has(stateKeys.validatorSetProposal('v0'))).toBe(false);
  });
});
