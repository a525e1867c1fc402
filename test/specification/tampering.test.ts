/** The conformance check can fail: real runs, tampered with, are refused for the right reason. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeNewView,
  decodeViewChange,
  encodeBlockHeader,
  encodeNewView,
  encodeViewChange,
  type NewView,
  type PreparedCertificate,
} from '../../src/codec/index.js';
import { decodeLogRecord, encodeLogRecord, type LogRecord } from '../../src/consensus/index.js';
import { headerDigest, useSha256 } from '../../src/crypto/index.js';
import { installNativeSha256 } from '../../src/crypto/native/index.js';
import { equalBytes } from '../../src/types/index.js';
import { optionsOf } from '../simulation/options.js';
import { simulate } from '../simulation/run.js';
import type { LogEntry } from '../../src/storage/types.js';
import { Journal, judge, type Entry } from './journal.js';
import type { ConformanceOptions } from './conformance.js';

type RecordOf<K extends LogRecord['kind']> = Extract<LogRecord, { readonly kind: K }>;

let entries: readonly Entry[] = [];
let options: ConformanceOptions | undefined;

/** Whether a run has what is tampered with: a view that takes something over, a restart in the middle of work, and
 * commits to two heights in flight. */
function isEventful(journal: Journal): boolean {
  const takesOver = journal.entries.some(
    (entry) => entry.kind === 'logged' && entry.entries.some((item) => takesSomethingOver(item)),
  );
  const restarts = journal.entries.some(
    (entry) =>
      entry.kind === 'started' &&
      ['view', 'vote/prepare'].every((wanted) => entry.log.some(({ name }) => name === wanted)),
  );
  return takesOver && restarts && pipelinedCommit(journal.entries) !== undefined;
}

function takesSomethingOver(item: LogEntry): boolean {
  if (item.name !== 'newView') return false;
  const record = decodeLogRecord(item);
  if (!record.ok || record.value.kind !== 'newView') return false;
  const newView = decodeNewView(record.value.message.newView);
  return newView.ok && newView.value.reproposals.length > 0;
}

beforeAll(async () => {
  installNativeSha256();
  for (let seed = 20_000; seed < 20_200; seed++) {
    const journal = new Journal();
    const { faults } = optionsOf(seed, { validators: 4, byzantine: [] });
    const { oldFolder: _, ...others } = faults;
    const still = { reconfiguration: { changes: 0, spares: 0 }, observers: 0 };
    const given = { validators: 4, byzantine: [], faults: others, ...still };
    const { options: simulated, outcome } = await simulate(seed, given, undefined, (stage) => {
      stage.witness = journal;
    });
    if (outcome.failure !== undefined || !isEventful(journal)) continue;
    entries = journal.entries;
    options = { n: 4, faulty: [], pipelineWindow: simulated.parameters.pipelineWindowBlocks };
    return;
  }
  throw new Error('no simulated run has all that is tampered with');
}, 120_000);
afterAll(() => useSha256());

/** The records of an entry, each changed, dropped, or more of them. */
function rewrite(
  change: (record: LogRecord, validator: number, index: number) => readonly LogRecord[] | undefined,
): readonly Entry[] {
  const found = { done: false };
  const changed = entries.map((entry, index): Entry => {
    if (entry.kind !== 'logged') return entry;
    const records = entry.entries.flatMap((item) => {
      const decoded = item.name.startsWith('bodies/') ? undefined : decodeLogRecord(item);
      if (found.done || decoded?.ok !== true) return [item];
      const instead = change(decoded.value, entry.validator, index);
      if (instead === undefined) return [item];
      found.done = true;
      return instead.map(encodeLogRecord);
    });
    return { ...entry, entries: records };
  });
  if (!found.done) throw new Error('this run has nothing to tamper with');
  return changed;
}

const isVote = (record: LogRecord, phase: RecordOf<'vote'>['phase']): record is RecordOf<'vote'> =>
  record.kind === 'vote' && record.phase === phase;

/** The first commit of a validator that is followed by one for the next height before its block is final there. */
function pipelinedCommit(
  run: readonly Entry[],
): { readonly validator: number; readonly vote: RecordOf<'vote'> } | undefined {
  const open = new Map<number, RecordOf<'vote'>>();
  for (const entry of run) {
    if (entry.kind !== 'logged') {
      open.delete(entry.validator);
      continue;
    }
    for (const item of entry.entries) {
      if (item.name !== 'vote/commit') continue;
      const decoded = decodeLogRecord(item);
      if (!decoded.ok || decoded.value.kind !== 'vote') continue;
      const vote = open.get(entry.validator);
      if (vote?.height === decoded.value.height - 1 && vote.view === decoded.value.view)
        return { validator: entry.validator, vote };
      open.set(entry.validator, decoded.value);
    }
  }
  return undefined;
}

const withCertificate = (
  change: (certificate: PreparedCertificate) => PreparedCertificate,
): readonly Entry[] =>
  rewrite((record) =>
    record.kind === 'prepared' ? [{ ...record, certificate: change(record.certificate) }] : undefined,
  );

/** Changes the first new-view that takes something over. */
const withNewView = (change: (newView: NewView) => NewView | undefined): readonly Entry[] =>
  rewrite((record) => {
    if (record.kind !== 'newView') return undefined;
    const decoded = decodeNewView(record.message.newView);
    const changed = decoded.ok ? change(decoded.value) : undefined;
    return changed && [{ ...record, message: { ...record.message, newView: encodeNewView(changed) } }];
  });

function problem(tampered: readonly Entry[]): string | undefined {
  if (options === undefined) throw new Error('the run was not recorded');
  return judge(tampered, options)?.problem;
}

describe('a run of four validators', () => {
  it('conforms as it is', () => {
    expect(problem(entries)).toBeUndefined();
  });

  it('is refused with a vote less in a certificate', () => {
    const tampered = withCertificate((certificate) => ({
      ...certificate,
      prepares: certificate.prepares.slice(1),
    }));
    expect(problem(tampered)).toMatch(/quorum of different validators/);
  });

  it('is refused with a voter twice in a certificate', () => {
    const tampered = withCertificate((certificate) => ({
      ...certificate,
      prepares: certificate.prepares.map(() => certificate.prepares[0]!),
    }));
    // The canonical form has no room for it.
    expect(problem(tampered)).toMatch(/not in strictly ascending order/);
  });

  it('is refused with a certificate that has a vote which was never on a disk', () => {
    // The vote of 1 for the first block is dropped, so its commit has nothing to stand on, or others show its vote.
    const tampered = rewrite((record, validator) =>
      validator === 1 && isVote(record, 'prepare') ? [] : undefined,
    );
    expect(problem(tampered)).toMatch(/has not cast|has not prepared|does not stand on/);
  });

  it('is refused with a commit before the prepared certificate', () => {
    const tampered = rewrite((record, validator) =>
      validator !== 0 && isVote(record, 'prepare') ? [record, { ...record, phase: 'commit' }] : undefined,
    );
    expect(problem(tampered)).toMatch(/no prepared certificate/);
  });

  it('is refused with a commit to a height when the one below is missing', () => {
    const below = pipelinedCommit(entries)!;
    const tampered = rewrite((record, validator) =>
      validator === below.validator &&
      isVote(record, 'commit') &&
      record.view === below.vote.view &&
      record.height === below.vote.height
        ? []
        : undefined,
    );
    expect(problem(tampered)).toMatch(/has not committed to height|has not cast/);
  });

  it('is refused with two votes for a height in one view', () => {
    let block: RecordOf<'block'>['block'] | undefined;
    const tampered = rewrite((record) => {
      if (record.kind === 'block') block = record.block;
      if (!isVote(record, 'prePrepare') || block === undefined || !equalBytes(block.digest, record.digest))
        return undefined;
      const header = { ...block.header, timeMs: block.header.timeMs + 1 };
      const headerBytes = encodeBlockHeader(header);
      const digest = headerDigest(headerBytes);
      const rival = { ...block, header, headerBytes, digest };
      return [record, { kind: 'block', block: rival }, { ...record, digest }];
    });
    expect(problem(tampered)).toMatch(/has voted for this height in this view/);
  });

  it('is refused with a vote in a view that was left', () => {
    let voted: RecordOf<'vote'> | undefined;
    const tampered = rewrite((record, validator) => {
      if (validator === 2 && isVote(record, 'prepare')) voted = record;
      return validator === 2 && record.kind === 'view' && record.changing && voted !== undefined
        ? [record, voted]
        : undefined;
    });
    expect(problem(tampered)).toMatch(/it is in view|has left the lower views/);
  });

  it('is refused with a new view that leaves out a block that it has to take over', () => {
    const tampered = withNewView((newView) =>
      newView.reproposals.length === 0
        ? undefined
        : { ...newView, reproposals: newView.reproposals.slice(0, -1) },
    );
    expect(problem(tampered)).toMatch(/not what follows from its view-changes/);
  });

  it('is refused with a view-change that hides a prepared certificate', () => {
    const tampered = withNewView((newView) => {
      const bodies = newView.viewChanges.map(({ viewChange }) => decodeViewChange(viewChange));
      const index = bodies.findIndex((body) => body.ok && body.value.prepared.length > 0);
      const body = bodies[index];
      if (body?.ok !== true) return undefined;
      const viewChanges = newView.viewChanges.map((signed, at) =>
        at === index ? { ...signed, viewChange: encodeViewChange({ ...body.value, prepared: [] }) } : signed,
      );
      return { ...newView, viewChanges };
    });
    expect(problem(tampered)).toMatch(
      /it hides its prepared certificate|not what follows from its view-changes/,
    );
  });

  it('is refused with a view that is entered without proof', () => {
    const tampered = rewrite((record) => (record.kind === 'newView' ? [] : undefined));
    expect(problem(tampered)).toMatch(/without its new-view/);
  });

  it('is refused with a view that its primary did not start', () => {
    const tampered = rewrite((record) => (record.kind === 'newViewDraft' ? [] : undefined));
    expect(problem(tampered)).toMatch(/its primary has not started it/);
  });

  it('is refused with a block that is final before a quorum has committed to it', () => {
    const at = entries.findIndex((entry) => entry.kind === 'committed' && entry.commit.block.height === 1);
    const early = entries.findIndex((entry) => entry.kind === 'logged');
    const tampered = [...entries.slice(0, early + 1), entries[at]!, ...entries.slice(early + 1)];
    expect(problem(tampered)).toMatch(/has not cast/);
  });

  it('is refused with a vote that a restart does not find', () => {
    const tampered = entries.map((entry): Entry => {
      if (entry.kind !== 'started') return entry;
      return {
        ...entry,
        log: entry.log.filter(({ name }) => name !== 'vote/prepare' && name !== 'vote/prePrepare'),
      };
    });
    expect(problem(tampered)).toMatch(/lacks the vote|has not prepared/);
  });

  it('is refused with a view that a restart does not find', () => {
    const tampered = entries.map((entry): Entry => {
      return entry.kind === 'started'
        ? { ...entry, log: entry.log.filter(({ name }) => name !== 'view') }
        : entry;
    });
    expect(problem(tampered)).toMatch(/its log says view 0/);
  });
});
