/**
 * Mutations: small defects, each breaking one promise of the protocol. `npm run mutations` plants one after the other
 * in a copy of the code and shows which schedule catches it. A mutation whose text is no longer in its file has to be
 * rewritten with the code; a test watches it.
 */
import type { StrategyName } from '../byzantine/index.js';
import type { SimulationOptions } from '../options.js';

export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  /** Exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Strategies of the faulty validator in the schedules that hunt it, where few schedules by seed alone have them. */
  readonly strategies?: readonly StrategyName[];
  /** Scenario of liveness/ that catches it, for what schedules by seed do not measure. */
  readonly scenario?: string;
  /** Options of the schedules that hunt it, for what few schedules by seed have. */
  readonly options?: Partial<SimulationOptions>;
}

const restless: SimulationOptions['faults'] = {
  crashes: 2,
  blackouts: 0,
  diskFailures: 0,
  partitions: 1,
  disconnects: 2,
  filters: 10,
  isolation: true,
  lossByView: true,
};
/** A validator's folder is put back to an earlier state, twice, and a witness knows. */
const putBack: Partial<SimulationOptions> = {
  validators: 4,
  byzantine: [],
  faults: { ...restless, oldFolder: { machine: 1, times: 2, witnessed: true } },
};
/** Validators change all the time. */
const changing: Partial<SimulationOptions> = {
  validators: 4,
  reconfiguration: { changes: 4, spares: 3 },
};
/** Machines copy states, also from one that lies. */
const copying: Partial<SimulationOptions> = {
  validators: 4,
  byzantine: [{ index: 3, strategies: ['lyingHistory'] }],
  observers: 2,
  faults: { ...restless, isolation: false, lossByView: false, filters: 2, snapshots: 6 },
};

const one = (
  name: string,
  file: string,
  find: string,
  replace: string,
  hunt: Pick<Mutation, 'strategies' | 'scenario' | 'options'> = {},
): Mutation => ({ name, edits: [{ file, find, replace }], ...hunt });

const consensus = 'src/consensus';

export const mutations: readonly Mutation[] = [
  // Counting votes.
  one(
    'commits of one less than a quorum',
    `${consensus}/voting.ts`,
    'if (votersFor(tally, digest) < state.quorum) return;',
    'if (votersFor(tally, digest) < state.quorum - 1) return;',
  ),
  one(
    'prepares of one less than a quorum',
    `${consensus}/voting.ts`,
    'if (votersFor(round.prepares, digest) < state.quorum - 1) return;',
    'if (votersFor(round.prepares, digest) < state.quorum - 2) return;',
  ),
  one(
    'a voter is counted twice',
    `${consensus}/votes.ts`,
    "if (equalBytes(first.digest, vote.digest)) return { kind: 'duplicate' };",
    "if (equalBytes(first.digest, vote.digest)) { const again = groupOf(tally, vote.digest); if (again !== undefined) again.voters += 1; return { kind: 'counted' }; }",
  ),
  one(
    "the primary's prepare counts besides its pre-prepare",
    `${consensus}/voting.ts`,
    "if (kind === 'prepare' && voter === primaryOf(state, view)) {",
    "if (kind === 'prepare' && voter === -1 && primaryOf(state, view) >= 0) {",
    { strategies: ['doubleVotes'] },
  ),
  one(
    'a second vote replaces the first',
    `${consensus}/votes.ts`,
    "return { kind: 'conflict', first, isNews };",
    "tally.byValidator[voter] = vote; const moved = groupOf(tally, vote.digest); if (moved === undefined) tally.groups.push({ digest: vote.digest, voters: 1 }); else moved.voters += 1; return { kind: 'counted' };",
    { strategies: ['doubleVotes'] },
  ),
  one(
    'evidence is forgotten',
    `${consensus}/evidence.ts`,
    "out.emit({\n    kind: 'evidence',",
    "void ({\n    kind: 'evidence',",
    { strategies: ['doubleVotes'] },
  ),
  // What comes in.
  one(
    'signatures of messages are not checked',
    'src/node/message-gate.ts',
    'const holds = outcomes.every(Boolean);',
    'const holds = outcomes.length >= 0;',
  ),
  one(
    'certificates of less than a quorum are taken',
    `${consensus}/authenticate.ts`,
    "if (signatures.length !== quantity) return err('noQuorum');",
    "if (signatures.length > quantity) return err('noQuorum');",
    { strategies: ['twins', 'inflating', 'forging'] },
  ),
  {
    name: 'a certificate may name a signer twice',
    strategies: ['twins', 'inflating', 'forging'],
    edits: [
      {
        file: `${consensus}/authenticate.ts`,
        find: "if (validator <= previous) return err('wrongOrder');\n    previous = validator;",
        replace: 'previous = validator;',
      },
      {
        file: 'src/codec/block.ts',
        find: 'previous.validator < next.validator;',
        replace: 'previous.validator <= next.validator;',
      },
    ],
  },
  {
    name: 'anybody may propose',
    strategies: ['usurping'],
    edits: [
      {
        file: `${consensus}/authenticate.ts`,
        find: "if (message.signature.validator !== primaryOf(config, view)) return err('wrongSigner');\n  if (message.transactionHashes",
        replace: 'if (message.transactionHashes',
      },
      {
        file: `${consensus}/proposals.ts`,
        find: 'if (signature.validator !== primaryOf(state, view)) {',
        replace: 'if (signature.validator < 0) {',
      },
    ],
  },
  {
    name: 'blocks of another validator set are taken',
    strategies: ['badBlocks'],
    edits: [
      {
        file: `${consensus}/authenticate.ts`,
        find: "if (!equalBytes(header.validatorSetHash, config.validatorSetHash)) return err('wrongValidatorSet');\n  const isProposer",
        replace: 'const isProposer',
      },
    ],
  },
  one(
    'a fetched block needs no quorum',
    'src/sync/verify-block.ts',
    "if (signatures.length < quorumOf(validators.length)) return err('its certificate has no quorum');",
    "if (signatures.length < quorumOf(validators.length) - 1) return err('its certificate has no quorum');",
    { strategies: ['lyingHistory'] },
  ),
  one(
    'transactions of fetched blocks are not compared with the header',
    'src/sync/verify-block.ts',
    'if (!equalBytes(merkleRoot(transactionHashes), header.transactionsRoot)) {',
    'if (transactionHashes.length < 0) {',
    { strategies: ['lyingHistory'] },
  ),
  // Judging proposals.
  one(
    'roots are not compared',
    'src/node/proposals.ts',
    'const mismatch = mismatchOf(block, execution);',
    'const mismatch = execution.height < 0 ? mismatchOf(block, execution) : undefined;',
    { strategies: ['badBlocks'] },
  ),
  one(
    'the time of a proposal is not judged',
    'src/node/proposals.ts',
    'if (fresh && Math.abs(',
    'if (fresh && 0 * Math.abs(',
    { strategies: ['badBlocks'] },
  ),
  one(
    'a block need not be later than the one below',
    `${consensus}/proposals.ts`,
    "if (header.timeMs <= parent.timeMs) return 'time';",
    '',
    { strategies: ['badBlocks'] },
  ),
  one(
    'a used idempotency key is not noticed',
    'src/ledger/apply.ts',
    "if (this.#lastUse(idempotencyHash) !== undefined) return 'DUPLICATE';",
    '',
  ),
  // Voting.
  one(
    'votes are sent before they are on disk',
    'src/node/durable-queue.ts',
    'if (!this.#pumping) callback();',
    'if (!this.#failed) callback();',
  ),
  one(
    'blocks are acknowledged before they are on disk',
    'src/node/durable-queue.ts',
    '      await written;\n      done();',
    '      done();',
  ),
  one(
    'commits do not wait for the heights below',
    `${consensus}/voting.ts`,
    'if (committedBelow) castCommit(',
    'if (committedBelow || height > 0) castCommit(',
  ),
  one(
    'votes go on after a view-change was sent',
    `${consensus}/voting.ts`,
    'if (!isVoter(state) || state.changing) return;',
    'if (!isVoter(state)) return;',
  ),
  one(
    'commit rests on a prepared certificate of an old view',
    `${consensus}/voting.ts`,
    'slot.castCommit >= view || slot.prepared?.certificate.view !== view) return;',
    'slot.castCommit >= view || slot.prepared === undefined) return;',
  ),
  one(
    'an old view is entered again',
    `${consensus}/view-change.ts`,
    "if (view < state.view || (view === state.view && !state.changing)) {\n    if (view < state.view) out.ignored('newView'",
    "if (view === state.view && !state.changing) {\n    if (view < state.view) out.ignored('newView'",
  ),
  // View change.
  one(
    'a new view takes the lowest certificate',
    `${consensus}/new-view.ts`,
    'certificate.certificate.view > highest.certificate.view',
    'certificate.certificate.view < highest.certificate.view',
  ),
  one(
    'a new view takes the first base, not the highest',
    `${consensus}/new-view.ts`,
    'body.committed.height > (base?.height ?? 0)',
    'base === undefined',
  ),
  one(
    'a new view drops the highest block',
    `${consensus}/new-view.ts`,
    'const above = walkUp(reports, baseHeight, base?.digest);',
    'const above = walkUp(reports, baseHeight, base?.digest).slice(0, -1);',
  ),
  one(
    'a new view ignores links',
    `${consensus}/new-view.ts`,
    'if (parent !== undefined && !equalBytes(highest.header.prevHash, parent)) return blocks;',
    '',
  ),
  one(
    'a new-view need not take over what follows from it',
    `${consensus}/view-change.ts`,
    'if (!matches(derived, newView.reproposals)) {',
    'if (newView.reproposals.length > 100) {',
    { strategies: ['splitViews'] },
  ),
  one(
    'a view is started twice',
    `${consensus}/view-change.ts`,
    'primaryOf(state, state.view) !== self || state.castNewView >= state.view) return;',
    'primaryOf(state, state.view) !== self) return;',
  ),
  one(
    'a new-view is not on disk before it is sent',
    `${consensus}/view-change.ts`,
    "out.persist({ kind: 'newViewDraft', epoch: epochOf(state), statement });",
    '',
  ),
  one(
    'nobody joins f + 1 others',
    `${consensus}/view-change.ts`,
    'if (target !== undefined && target > state.view) startViewChange',
    'if (target !== undefined && target < 0) startViewChange',
    { scenario: 'joining' },
  ),
  one(
    'a single view-change is joined',
    `${consensus}/view-change.ts`,
    'views.sort((left, right) => right - left)[state.f];',
    'views.sort((left, right) => right - left)[0];',
    { strategies: ['wildViews'] },
  ),
  one(
    'prepared certificates are not shown',
    `${consensus}/view-change.ts`,
    '.flatMap((slot) => slot.prepared?.certificate ?? []);',
    '.flatMap((slot) => (slot.height < 0 ? (slot.prepared?.certificate ?? []) : []));',
  ),
  // Restart.
  one(
    'votes are forgotten by a restart',
    `${consensus}/restart.ts`,
    'if (record.height > state.durable.height) votes.push(record);',
    '',
  ),
  one(
    'prepared certificates are forgotten by a restart',
    `${consensus}/restart.ts`,
    'slotAt(state, record.height).prepared = prepared.value.verified;',
    '',
  ),
  one(
    'a restart forgets its view',
    `${consensus}/restart.ts`,
    'state.view = record.view;\n        state.changing = record.changing;',
    '',
  ),
  // Timers and help.
  one(
    'nothing is sent again',
    `${consensus}/timers.ts`,
    'if (!state.progressed) retransmit(state, out);',
    '',
    { scenario: 'burstOfLoss' },
  ),
  one(
    'timeouts never grow',
    `${consensus}/timers.ts`,
    'base * 2 ** Math.min(state.attempts, 30)',
    'base * 2 ** Math.min(state.attempts, 0)',
  ),
  one(
    'no catch-up after a stall',
    `${consensus}/catch-up.ts`,
    'if (!state.progressed && peersAhead(state).length > 0) state.sync.wanted = true;',
    '',
  ),
  one(
    'nobody helps with the proof of a view',
    `${consensus}/view-change.ts`,
    'if (message === undefined || (state.changing && own?.body.view !== state.view)) return;',
    'if (message !== undefined || own !== undefined || !state.changing) return;',
  ),
  one('timeouts are never reset', `${consensus}/finality.ts`, 'state.attempts = 0;', '', {
    scenario: 'primaryCrashAfterOthers',
  }),
  // A folder that was put back.
  one(
    'a folder that was put back is taken for the newest',
    `${consensus}/restart.ts`,
    'if (abstains || restored.outdated === true) {',
    'if (abstains && restored.outdated === true) {',
    { options: putBack },
  ),
  one(
    'silence is forgotten by a restart',
    `${consensus}/restart.ts`,
    'abstains = record.active;',
    'abstains = false;',
    { options: { ...putBack, faults: { ...putBack.faults!, crashes: 10 } } },
  ),
  // Changes of the validator set.
  one(
    'the last block of a validator set is like any other',
    `${consensus}/state.ts`,
    'return !equalBytes(header.nextValidatorSetHash, config.validatorSetHash);',
    'return !equalBytes(header.validatorSetHash, config.validatorSetHash);',
    { options: changing },
  ),
  one(
    'less than a quorum decides a validator set',
    'src/ledger/operations/validator-set.ts',
    'if (approvals.length < quorumOf(set.validators.length)) {',
    'if (approvals.length < quorumOf(set.validators.length) - 1) {',
    { options: changing },
  ),
  one(
    'a replica keeps its place when the validator set changes',
    'src/node/electorate.ts',
    'set.validators.findIndex(({ id }) => id === identity.id);',
    "Math.min(set.validators.length - 1, Number((identity.id ?? 'v0').slice(1)));",
    { options: changing },
  ),
  // Copies of a state.
  one(
    'parts of a copied state are not proven',
    'src/crypto/state-tree/range.ts',
    'if (!equalBytes(found, root)) return undefined;',
    'if (found.length === 0) return undefined;',
    { options: copying },
  ),
  one('nobody watches what the primary passes over', 'src/node/overdue-watch.ts', '      overdue();\n', '', {
    scenario: 'censoringPrimary',
  }),
];
