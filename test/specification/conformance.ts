/**
 * Holds what replicas of the running code write to their disks against the rules of protocol.ts. What the protocol
 * lets a replica say or do, it may say or do only once it is on disk; so the writes, in the order in which they become
 * durable, are the steps of the protocol. Every certificate in them must consist of votes that their correct signers
 * have cast, and every view-change of what its sender had.
 */
import {
  decodeBlockHeader,
  decodeNewView,
  decodeViewChange,
  type CommitCertificate,
  type NewView,
  type PreparedCertificate,
  type SignedNewView,
  type SignedViewChange,
  type VoteSignature,
} from '../../src/codec/index.js';
import { decodeLogRecord, type LogRecord } from '../../src/consensus/index.js';
import { headerDigest } from '../../src/crypto/index.js';
import type { BlockCommit, LogEntry } from '../../src/storage/types.js';
import { asDigest, toHex, type Result } from '../../src/types/index.js';
import type { Report } from './derivation.js';
import {
  genesis,
  place,
  Protocol,
  type Block,
  type BlockId,
  type Certificate,
  type Flaws,
  type Replica,
  type Step,
} from './protocol.js';

export interface ConformanceOptions {
  readonly n: number;
  /** Validators whose replicas are not judged: they may do anything. */
  readonly faulty: readonly number[];
  readonly pipelineWindow: number;
  readonly flaws?: Flaws;
}

/** What a replica did that the rules do not allow. */
export interface Deviation {
  readonly replica: number;
  readonly step: string;
  readonly problem: string;
}

/** Judges a run as it goes. The first deviation stands. */
export class Conformance {
  readonly protocol: Protocol;
  /** Steps by kind. */
  readonly steps = new Map<string, number>();
  deviation: Deviation | undefined;
  readonly #options: ConformanceOptions;
  readonly #blocks = new Map<BlockId, Block>();
  #genesisId: BlockId | undefined;
  /** Hash of the validator set; once a block is under another one, judging ends: the rules are those of one set. */
  #set: string | undefined;
  #ended = false;

  constructor(options: ConformanceOptions) {
    this.#options = options;
    const { n, faulty, pipelineWindow, flaws } = options;
    this.protocol = new Protocol(
      { n, faulty, window: pipelineWindow, ...(flaws !== undefined && { flaws }) },
      (id) => {
        const block = this.#blocks.get(id);
        if (block === undefined) throw new Unknown(`block ${id.slice(0, 8)} was never written`);
        return block;
      },
    );
  }

  /** Log records of a replica are on its disk. */
  logged(replica: number, entries: readonly LogEntry[]): void {
    this.#judge(replica, () => {
      const records = entries.flatMap((entry) => (entry.name.startsWith('bodies/') ? [] : [recordOf(entry)]));
      for (const [index, record] of records.entries()) this.#record(replica, record, records[index + 1]);
    });
  }

  /** A block is on a replica's disk as final. */
  committed(replica: number, { block }: BlockCommit): void {
    const { certificate, headerBytes } = block;
    if (certificate === undefined) {
      this.#genesisId = toHex(block.digest);
      return;
    }
    this.#judge(replica, () => {
      this.#learn(headerBytes);
      const final = this.#commitCertificate(certificate);
      this.#take({ kind: 'finalize', replica, ...final });
    });
  }

  /** A replica starts and reads what is on its disk. What a crash overtook on its way may be there or not; everything
   * that was known to be there must be there. */
  started(replica: number, entries: readonly LogEntry[], last: BlockCommit['block'] | undefined): void {
    this.#judge(replica, () => {
      const state = this.protocol.replicas[replica];
      if (state === undefined) return;
      this.#count('restart');
      if (last?.certificate !== undefined && last.height === state.finalHeight + 1) {
        this.#learn(last.headerBytes);
        this.#take({ kind: 'finalize', replica, ...this.#commitCertificate(last.certificate) });
      }
      if ((last?.height ?? 0) !== state.finalHeight)
        throw new Unknown(`its last block is ${last?.height ?? 0} instead of ${state.finalHeight}`);
      const records = entries.flatMap((entry) => (entry.name.startsWith('bodies/') ? [] : [recordOf(entry)]));
      this.#recover(replica, state, records);
    });
  }

  /** The log as it is found must be what was written, or hold in addition what was being written. */
  #recover(replica: number, state: Replica, records: readonly LogRecord[]): void {
    const of = <K extends LogRecord['kind']>(kind: K): Extract<LogRecord, { readonly kind: K }>[] =>
      records.filter((record): record is Extract<LogRecord, { readonly kind: K }> => record.kind === kind);
    for (const { block } of of('block')) this.#learn(block.headerBytes);
    // A log holds one of each.
    const [view] = of('view');
    const [newView] = of('newView');
    const [draft] = of('newViewDraft');
    const votes = of('vote')
      .filter(({ height }) => height > state.finalHeight)
      .sort((left, right) => left.height - right.height || phaseOrder(left) - phaseOrder(right));
    // In the order in which one step after another writes them: votes, leaving the view, entering the next, votes.
    if (!state.changing) this.#recoverVotes(replica, state, votes);
    const entered = newView === undefined ? undefined : readNewView(newView.message).view;
    const enter = (): void => {
      if (newView !== undefined) this.#enter(replica, newView.message);
    };
    if (view?.changing === true && view.view > state.view) {
      if (entered !== undefined && entered > state.view) enter();
      this.#take({ kind: 'ask', replica, view: view.view });
    }
    if (draft?.statement.view === state.view && !state.started.has(state.view))
      this.#record(replica, draft, undefined);
    if (view?.changing === false && (view.view > state.view || state.changing)) enter();
    if ((view?.view ?? 0) !== state.view || (view?.changing ?? false) !== state.changing)
      throw new Unknown(`its log says view ${view?.view ?? 0} instead of ${state.view}`);
    this.#recoverVotes(replica, state, votes);
    this.#nothingLost(state, of('vote'), of('prepared'));
  }

  #recoverVotes(replica: number, state: Replica, votes: readonly VoteRecord[]): void {
    for (const vote of votes) {
      if (vote.view !== state.view) continue;
      const cast = vote.phase === 'commit' ? state.commits : state.prepares;
      if (cast.get(place(vote.view, vote.height)) !== this.#known(vote.digest)) this.#vote(replica, vote);
    }
  }

  #nothingLost(
    state: Replica,
    votes: readonly VoteRecord[],
    prepared: readonly Extract<LogRecord, { readonly kind: 'prepared' }>[],
  ): void {
    for (const phase of ['prepares', 'commits'] as const) {
      const written = new Set(
        votes
          .filter((vote) => (vote.phase === 'commit') === (phase === 'commits'))
          .map(({ view, height, digest }) => `${place(view, height)}=${toHex(digest)}`),
      );
      for (const [key, block] of state[phase]) {
        const [view, height] = key.split('/').map(Number) as [number, number];
        // A proposal in a new-view is in the draft of that; only the highest vote of a height is kept.
        if (height <= state.finalHeight || state.started.get(view)?.blocks.includes(block) === true) continue;
        const later = [...state[phase].keys()].some((other) => {
          const [otherView, otherHeight] = other.split('/').map(Number) as [number, number];
          return otherHeight === height && otherView > view;
        });
        if (!later && !written.has(`${key}=${block}`)) throw new Unknown(`its log lacks the vote ${key}`);
      }
    }
    for (const [height, { view, block }] of state.prepared) {
      const found = prepared.find((record) => record.height === height)?.certificate;
      if (found?.view !== view || this.#learn(found.header) !== block)
        throw new Unknown(`its log lacks the prepared certificate of height ${height}`);
    }
  }

  #record(replica: number, record: LogRecord, next: LogRecord | undefined): void {
    switch (record.kind) {
      case 'block':
        this.#learn(record.block.headerBytes);
        return;
      case 'vote':
        this.#vote(replica, record);
        return;
      case 'prepared':
        this.#preparedCertificate(record.certificate);
        return;
      case 'view':
        if (record.changing) this.#take({ kind: 'ask', replica, view: record.view });
        else if (next?.kind !== 'newView')
          throw new Unknown(`view ${record.view} is entered without its new-view`);
        return;
      case 'abstention':
        throw new Unknown('a replica abstains, which the specification does not know');
      case 'newView':
        this.#enter(replica, record.message);
        return;
      case 'newViewDraft': {
        const { view, viewChanges, reproposals } = record.statement;
        this.#take({
          kind: 'start',
          replica,
          view,
          reports: viewChanges.map((signed) => this.#report(view, signed)),
          blocks: reproposals.map(({ digest }) => this.#known(digest)),
        });
        return;
      }
    }
  }

  #vote(replica: number, { phase, view, height, digest }: VoteRecord): void {
    const kind = phase === 'prePrepare' ? 'propose' : phase;
    const block = this.#known(digest);
    if (this.#blocks.get(block)?.height !== height)
      throw new Unknown('a vote names another height than its block');
    this.#take({ kind, replica, view, block });
  }

  #enter(replica: number, message: SignedNewView): void {
    const { view, viewChanges, reproposals } = readNewView(message);
    this.#take({
      kind: 'enter',
      replica,
      view,
      reports: viewChanges.map((signed) => this.#report(view, signed)),
      blocks: reproposals.map(({ digest }) => this.#known(digest)),
    });
  }

  #report(view: number, signed: SignedViewChange): Report {
    const body = valueOf(decodeViewChange(signed.viewChange));
    if (body.view !== view) throw new Unknown(`the new-view ${view} has a view-change for ${body.view}`);
    return {
      sender: body.validator,
      committed: body.committed === undefined ? undefined : this.#commitCertificate(body.committed),
      prepared: body.prepared.map((certificate) => this.#preparedCertificate(certificate)),
    };
  }

  #preparedCertificate({ view, header, prePrepare, prepares }: PreparedCertificate): Certificate {
    const certificate = { view, block: this.#learn(header) };
    if (prePrepare.validator !== this.protocol.primary(view))
      throw new Unknown('a pre-prepare is not of the primary');
    this.#signers('prepares', certificate, [prePrepare, ...prepares]);
    return certificate;
  }

  #commitCertificate({ view, digest, signatures }: CommitCertificate): Certificate {
    const certificate = { view, block: this.#known(digest) };
    this.#signers('commits', certificate, signatures);
    return certificate;
  }

  #signers(phase: 'prepares' | 'commits', certificate: Certificate, votes: readonly VoteSignature[]): void {
    const signers = new Set(votes.map(({ validator }) => validator as number));
    if (signers.size !== votes.length || signers.size < this.protocol.quorum)
      throw new Unknown('a certificate is not of a quorum of different validators');
    for (const signer of signers) {
      if (!this.protocol.voted(phase, signer, certificate))
        throw new Unknown(`a certificate has a vote that ${signer} has not cast`);
    }
  }

  #learn(headerBytes: Uint8Array): BlockId {
    const id = toHex(headerDigest(headerBytes));
    if (!this.#blocks.has(id)) {
      const { height, view, prevHash, validatorSetHash } = valueOf(decodeBlockHeader(headerBytes));
      const set = toHex(validatorSetHash);
      this.#set ??= set;
      if (set !== this.#set) throw new SetChange();
      const parent = toHex(prevHash);
      this.#blocks.set(id, { height, view, parent: parent === this.#genesisId ? genesis : parent });
    }
    return id;
  }

  #known(digest: Uint8Array): BlockId {
    const id = toHex(asDigest(digest));
    if (!this.#blocks.has(id)) throw new Unknown(`block ${id.slice(0, 8)} was never written`);
    return id;
  }

  #take(step: Step): void {
    const problem = this.protocol.apply(step);
    if (problem !== undefined) throw new Refused(step, problem);
    this.#count(step.kind);
  }

  #count(kind: string): void {
    this.steps.set(kind, (this.steps.get(kind) ?? 0) + 1);
  }

  #judge(replica: number, act: () => void): void {
    if (this.#ended || this.deviation !== undefined || this.#options.faulty.includes(replica)) return;
    try {
      act();
    } catch (error) {
      if (error instanceof SetChange) {
        this.#ended = true;
        this.#count('setChange');
      } else if (error instanceof Refused) {
        const { kind, view, block } = { block: undefined, view: undefined, ...error.step };
        const what = [kind, view === undefined ? '' : `in view ${view}`, block?.slice(0, 8) ?? ''];
        this.deviation = {
          replica,
          step: what.filter((part) => part !== '').join(' '),
          problem: error.message,
        };
      } else if (error instanceof Unknown)
        this.deviation = { replica, step: 'write', problem: error.message };
      else throw error;
    }
  }
}

type VoteRecord = Extract<LogRecord, { readonly kind: 'vote' }>;

const phaseOrder = ({ phase }: VoteRecord): number => ['prePrepare', 'prepare', 'commit'].indexOf(phase);

/** A block belongs to another validator set. */
class SetChange extends Error {}

class Refused extends Error {
  readonly step: Step;

  constructor(step: Step, problem: string) {
    super(problem);
    this.step = step;
  }
}

/** What is written makes no sense in the protocol. */
class Unknown extends Error {}

const recordOf = (entry: LogEntry): LogRecord => valueOf(decodeLogRecord(entry));

const readNewView = (message: SignedNewView): NewView => valueOf(decodeNewView(message.newView));

function valueOf<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Unknown(`it can not be read: ${String(result.error)}`);
  return result.value;
}
