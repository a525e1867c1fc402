import { describe, expect, it } from '@jest/globals';
import {
  decodeChangeProposal,
  decodeGenesis,
  decodeGovernance,
  decodeValidatorSet,
  encodeTransactionResult,
  type Change,
  type ChangeProposal,
  type Genesis,
  type Governance,
  type Operation,
  type ProposeChange,
  type ResultCode,
  type Validator,
} from '../../../src/codec/index.js';
import {
  merkleLeafHash,
  merkleRoot,
  proposalId,
  StateTree,
  validatorSetHash,
  validatorSetProposalHash,
} from '../../../src/crypto/index.js';
import {
  applyBlock,
  assumeVerified,
  checkInvariants,
  CommittedHashes,
  decodeTransaction,
  genesisWrites,
  replayWindowStart,
  RulesUnknownError,
  stateKeys,
} from '../../../src/ledger/index.js';
import {
  asAmount,
  asChainId,
  asHeight,
  limits,
  newestRules,
  toHex,
  type StateKey,
} from '../../../src/types/index.js';
import {
  applyWrites,
  declaredView,
  keyOf,
  testGenesis,
  TestLedger,
  testParameters,
  transactionOf,
  transferOf,
} from '../../helpers/ledger.js';
import { TreeStore } from '../../helpers/tree-store.js';
import { hex, readVectors } from '../../helpers/vectors.js';

interface RulesChain {
  readonly chainId: string;
  readonly genesis: string;
  readonly genesisStateRoot: string;
  readonly blocks: readonly {
    readonly height: number;
    readonly timeMs: number;
    readonly transactions: readonly string[];
    readonly resultsRoot: string;
    readonly stateRoot: string;
    readonly nextValidatorSet?: string;
  }[];
}

describe('a chain made before there were versions of the rules', () => {
  it('executes to the same results and states', async () => {
    const chain = readVectors<RulesChain>('ledger/rules-1.json');
    const chainId = asChainId(hex(chain.chainId));
    const genesis = decodeGenesis(hex(chain.genesis));
    if (!genesis.ok) throw genesis.error;
    const first = genesisWrites(genesis.value);
    if (!first.ok) throw new Error(first.error.message);
    const tree = new StateTree({ maxBytes: 1 << 24 });
    const store = new TreeStore();
    const state = new Map<StateKey, Uint8Array>();
    applyWrites(state, first.value);
    let update = await tree.update(store, undefined, asHeight(0), first.value);
    store.add(update);
    tree.committed(update);
    expect(toHex(update.root)).toBe(chain.genesisStateRoot);
    const window = new CommittedHashes();
    for (const block of chain.blocks) {
      const height = asHeight(block.height);
      const transactions = block.transactions.map((bytes) => {
        const decoded = decodeTransaction(hex(bytes), chainId);
        if (!decoded.ok) throw new Error(decoded.error.message);
        return assumeVerified(decoded.value);
      });
      const view = declaredView(state, transactions);
      const output = applyBlock({ height, timeMs: block.timeMs, transactions, state: view, window });
      applyWrites(state, output.writes);
      window.add(height, output.idempotencyHashes);
      window.dropBelow(
        replayWindowStart(asHeight(height + 1), genesis.value.parameters.validityWindowBlocks),
      );
      update = await tree.update(store, asHeight(height - 1), height, output.writes);
      store.add(update);
      tree.committed(update);
      const leaves = output.results.map((result) => merkleLeafHash(encodeTransactionResult(result)));
      const set = output.nextValidatorSet;
      expect({
        height: block.height,
        inadmissible: output.inadmissible,
        resultsRoot: toHex(merkleRoot(leaves)),
        stateRoot: toHex(update.root),
        nextValidatorSet: set === undefined ? undefined : toHex(validatorSetHash(set)),
      }).toEqual({
        height: block.height,
        inadmissible: [],
        resultsRoot: block.resultsRoot,
        stateRoot: block.stateRoot,
        nextValidatorSet: block.nextValidatorSet,
      });
    }
    expect(checkInvariants(state).violations).toEqual([]);
  });
});

const validator = (id: string, member: string): Validator => ({ id, member, publicKey: keyOf(id) });
const members: Readonly<Record<string, string>> = { v0: 'alpha', v1: 'alpha', v2: 'beta', v3: 'beta' };
const genesis = testGenesis({
  validators: Object.entries(members).map(([id, member]) => validator(id, member)),
});
const margin = testParameters.pipelineWindowBlocks + 1;
const toRules = (version: number): Change => ({ kind: 'rulesVersion', version });

function setHash(ledger: TestLedger) {
  const decoded = decodeValidatorSet(ledger.state.get(stateKeys.currentValidators)!);
  if (!decoded.ok) throw decoded.error;
  return validatorSetHash(decoded.value);
}

function proposalOf(ledger: TestLedger, by: string, change: Partial<ProposeChange> = {}): ProposeChange {
  return {
    kind: 'proposeChange',
    validator: by,
    baseValidatorSetHash: setHash(ledger),
    change: toRules(newestRules + 1),
    notBeforeHeight: asHeight(0),
    expiresHeight: asHeight(ledger.height + 50),
    reason: '',
    ...change,
  };
}

const vote = (by: string, proposal: ProposeChange, say: 'approve' | 'reject' = 'approve'): Operation => ({
  kind: 'voteOnChange',
  validator: by,
  proposal,
  vote: say,
});

/** One operation of a validator in a block of its own. */
function run(ledger: TestLedger, operation: Operation, signers?: readonly string[]): ResultCode {
  const by = 'validator' in operation ? operation.validator : '';
  const sender = members[by] ?? 'central';
  const transaction = transactionOf({
    sender,
    operations: [operation],
    signers: signers ?? [sender, by],
    validUntil: ledger.height + 5,
  });
  return ledger.codes(transaction)[0]!;
}

function governanceOf(ledger: TestLedger): Governance | undefined {
  const bytes = ledger.state.get(stateKeys.governance);
  if (bytes === undefined) return undefined;
  const decoded = decodeGovernance(bytes);
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

function recordOf(ledger: TestLedger, proposal: ProposeChange): ChangeProposal {
  const decoded = decodeChangeProposal(ledger.state.get(stateKeys.changeProposal(proposalId(proposal)))!);
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

/** A ledger whose validators v0, v1 and v2 have decided a proposal. */
function decided(change: Partial<ProposeChange> = {}): { ledger: TestLedger; proposal: ProposeChange } {
  const ledger = new TestLedger(genesis);
  const proposal = proposalOf(ledger, 'v0', change);
  for (const operation of [proposal, vote('v1', proposal), vote('v2', proposal)]) {
    expect(run(ledger, operation)).toBe('OK');
  }
  return { ledger, proposal };
}

describe('a change that validators decide', () => {
  it('waits for a quorum, with its tally in the state, and for a window of blocks after it', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0', { reason: 'new operations' });
    expect(run(ledger, proposal)).toBe('OK');
    expect(run(ledger, vote('v3', proposal, 'reject'))).toBe('OK');
    expect(run(ledger, vote('v2', proposal))).toBe('OK');
    expect(recordOf(ledger, proposal)).toEqual({
      proposal,
      approvals: ['v0', 'v2'],
      rejections: ['v3'],
      status: 'open',
      closedHeight: 0,
      effectiveHeight: 0,
    });
    expect(governanceOf(ledger)).toBeUndefined();
    expect(run(ledger, vote('v1', proposal))).toBe('OK');
    const height = 4 + margin;
    expect(recordOf(ledger, proposal)).toMatchObject({
      approvals: ['v0', 'v1', 'v2'],
      status: 'decided',
      closedHeight: 4,
      effectiveHeight: height,
    });
    expect(governanceOf(ledger)).toEqual({
      rulesVersion: 1,
      scheduled: [{ height, change: proposal.change, proposalId: proposalId(proposal) }],
    });
    expect(checkInvariants(ledger.state).violations).toEqual([]);
  });

  it('takes effect in the state of the block below its height, even if that block is about something else', () => {
    const { ledger, proposal } = decided({ notBeforeHeight: asHeight(20) });
    const pay = () =>
      ledger.block([
        transactionOf({ sender: 'alpha', operations: [transferOf('alpha-1', 'beta-1', 1n)], validUntil: 25 }),
      ]);
    while (ledger.height < 18) expect(pay().governance.rulesVersion).toBe(1);
    expect(governanceOf(ledger)?.scheduled).toHaveLength(1);
    expect(pay().governance).toEqual({ rulesVersion: newestRules + 1, scheduled: [] });
    expect(governanceOf(ledger)).toEqual({ rulesVersion: newestRules + 1, scheduled: [] });
    expect(recordOf(ledger, proposal).effectiveHeight).toBe(20);
    expect(checkInvariants(ledger.state).violations).toEqual([]);
  });

  it('has each block executed by the rules of its height', () => {
    const { ledger } = decided({ change: toRules(2), notBeforeHeight: asHeight(20) });
    const judged = () => {
      const [hold, poor] = [
        transactionOf({
          sender: 'alpha',
          operations: [
            {
              ...{
                kind: 'placeHold',
                holdId: 'H1',
                fromAccount: 'alpha-1',
                toAccount: 'beta-1',
                asset: 'CHF',
              },
              ...{ amount: asAmount(5n), captor: 'beta', expiresUnixMs: limits.maxTimeMs },
              ...{ hashLock: new Uint8Array(0), endToEndId: '', memo: '' },
            },
          ],
          validUntil: ledger.height + 5,
        }),
        transactionOf({
          sender: 'alpha',
          operations: [transferOf('alpha-1', 'beta-1', 5000n)],
          validUntil: ledger.height + 5,
        }),
      ] as const;
      const { results, inadmissible } = ledger.block([hold, poor]);
      return [results[0]?.code, inadmissible, results[1]?.detail !== undefined];
    };
    while (ledger.height < 19) expect(judged()).toEqual(['RULES_NOT_ACTIVE', [0], false]);
    expect(judged()).toEqual(['OK', [], true]);
    expect(checkInvariants(ledger.state).violations).toEqual([]);
  });

  it('is rejected once so many are against it that no quorum can approve', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0');
    run(ledger, proposal);
    run(ledger, vote('v1', proposal, 'reject'));
    expect(recordOf(ledger, proposal).status).toBe('open');
    run(ledger, vote('v2', proposal, 'reject'));
    expect(recordOf(ledger, proposal)).toMatchObject({ status: 'rejected', closedHeight: 3 });
    expect(run(ledger, vote('v3', proposal))).toBe('PROPOSAL_CLOSED');
    expect(governanceOf(ledger)).toBeUndefined();
  });

  it('can be taken back by who proposed it, until it is closed', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0');
    run(ledger, proposal);
    const withdraw = (by: string): Operation => ({
      kind: 'withdrawChange',
      validator: by,
      proposalId: proposalId(proposal),
    });
    expect(run(ledger, withdraw('v1'))).toBe('NOT_PROPOSER');
    expect(run(ledger, withdraw('v0'), ['alpha'])).toBe('VALIDATOR_NOT_AUTHORIZED');
    expect(run(ledger, withdraw('v0'))).toBe('OK');
    expect(recordOf(ledger, proposal)).toMatchObject({ status: 'withdrawn', closedHeight: 4 });
    expect(run(ledger, withdraw('v0'))).toBe('PROPOSAL_CLOSED');
    expect(run(ledger, vote('v1', proposal))).toBe('PROPOSAL_CLOSED');
    // Just the same can't be proposed again, so that one id means one vote.
    expect(run(ledger, proposal)).toBe('PROPOSAL_EXISTS');
  });

  it('is voted on once by each validator, before it expires', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0', { expiresHeight: asHeight(4) });
    run(ledger, proposal);
    expect(run(ledger, vote('v0', proposal))).toBe('ALREADY_VOTED');
    expect(run(ledger, vote('v0', proposal, 'reject'))).toBe('ALREADY_VOTED');
    expect(run(ledger, vote('v1', proposal))).toBe('OK');
    expect(run(ledger, vote('v2', proposal))).toBe('PROPOSAL_EXPIRED');
    expect(run(ledger, vote('v2', proposal, 'reject'))).toBe('PROPOSAL_EXPIRED');
  });

  it('counts only under the validator set that it was proposed under', () => {
    const ledger = new TestLedger(genesis);
    const other = proposalOf(ledger, 'v0', { baseValidatorSetHash: proposalId(proposalOf(ledger, 'v1')) });
    expect(run(ledger, other)).toBe('VALIDATOR_SET_CHANGED');
    const proposal = proposalOf(ledger, 'v0');
    run(ledger, proposal);
    const base = {
      validator: 'v0',
      baseValidatorSetHash: setHash(ledger),
      validators: genesis.validators.slice(0, 3),
    };
    const next: Operation = {
      kind: 'proposeValidatorSet',
      ...base,
      notBeforeHeight: asHeight(0),
      expiresHeight: asHeight(90),
    };
    run(ledger, next);
    for (const by of ['v1', 'v2']) {
      run(ledger, {
        kind: 'approveValidatorSet',
        validator: by,
        proposer: 'v0',
        proposalHash: validatorSetProposalHash(next),
      });
    }
    for (let more = 0; more < margin; more++) ledger.block([]);
    expect(setHash(ledger)).not.toEqual(base.baseValidatorSetHash);
    expect(run(ledger, vote('v1', proposal))).toBe('VALIDATOR_SET_CHANGED');
  });

  it('has another proposal wait until it has taken effect', () => {
    const ledger = new TestLedger(genesis);
    const [first, second] = [proposalOf(ledger, 'v0'), proposalOf(ledger, 'v1', { change: toRules(900) })];
    run(ledger, first);
    run(ledger, second);
    for (const by of ['v1', 'v2']) run(ledger, vote(by, first));
    expect(run(ledger, vote('v0', second))).toBe('CHANGE_SCHEDULED');
    expect(run(ledger, vote('v0', second, 'reject'))).toBe('OK');
    expect(run(ledger, proposalOf(ledger, 'v2', { change: toRules(901) }))).toBe('CHANGE_SCHEDULED');
  });

  it.each<[string, Partial<ProposeChange>, readonly string[] | undefined, ResultCode]>([
    ['of the version in force', { change: toRules(1) }, undefined, 'RULES_VERSION_NOT_NEWER'],
    ['that expires in the past', { expiresHeight: asHeight(0) }, undefined, 'HEIGHT_OUT_OF_RANGE'],
    [
      'that expires too late',
      { expiresHeight: asHeight(2 + limits.maxGovernanceBlocks) },
      undefined,
      'HEIGHT_OUT_OF_RANGE',
    ],
    [
      'that would wait too long',
      { notBeforeHeight: asHeight(2 + limits.maxGovernanceBlocks) },
      undefined,
      'HEIGHT_OUT_OF_RANGE',
    ],
    ["without the validator's key", {}, ['alpha'], 'VALIDATOR_NOT_AUTHORIZED'],
    ["with another validator's key", {}, ['alpha', 'v1'], 'VALIDATOR_NOT_AUTHORIZED'],
    ['of what is no validator', { validator: 'v9' }, ['central'], 'NOT_A_VALIDATOR'],
  ])('refuses a proposal %s', (_name, change, signers, code) => {
    const ledger = new TestLedger(genesis);
    expect(run(ledger, proposalOf(ledger, 'v0', change), signers)).toBe(code);
    expect(governanceOf(ledger)).toBeUndefined();
  });

  it('refuses a vote on what was not proposed', () => {
    const ledger = new TestLedger(genesis);
    const proposal = proposalOf(ledger, 'v0');
    expect(run(ledger, vote('v1', proposal))).toBe('UNKNOWN_PROPOSAL');
    run(ledger, proposal);
    expect(run(ledger, vote('v1', { ...proposal, reason: 'another' }))).toBe('UNKNOWN_PROPOSAL');
    expect(
      run(ledger, { kind: 'withdrawChange', validator: 'v1', proposalId: proposal.baseValidatorSetHash }),
    ).toBe('UNKNOWN_PROPOSAL');
  });
});

describe('rules that this software does not know', () => {
  it('are never executed by others: the block at their height throws, the one below does not', () => {
    const { ledger } = decided();
    const height = 3 + margin;
    while (ledger.height < height - 1) ledger.block([]);
    expect(() => ledger.block([])).toThrow(RulesUnknownError);
    expect(() => ledger.block([])).toThrow(
      `From height ${height} on, blocks are executed under version ${newestRules + 1} of the ledger's rules`,
    );
  });

  it('are refused in a genesis, and known ones are in force from its first block on', () => {
    const of = (rulesVersion: number): Genesis => ({ ...genesis, rulesVersion });
    expect(genesisWrites(of(newestRules + 1))).toMatchObject({
      ok: false,
      error: { code: 'RULES_UNKNOWN', path: 'rules_version' },
    });
    // Version 1 is never written out: two genesis files of one meaning would be two chains.
    expect(genesisWrites(of(1))).toMatchObject({ ok: false, error: { code: 'MALFORMED' } });
  });
});
