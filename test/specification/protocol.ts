/**
 * The protocol of docs/consensus.md as rules over what is durable: who has voted for what, who has asked for which
 * view, what each view starts from. `apply` takes one step if the rules allow it. The explorer (explore.ts) takes steps
 * by itself, the conformance check (conformance.ts) those that running replicas took, and quaestor.qnt has the same
 * rules in Quint, held against these by replay.
 *
 * Messages are the set of everything that was said: anything may be delayed, lost, repeated and reordered. Faulty
 * validators have always said everything already: whatever they can sign counts as signed, and they show whatever
 * certificates there can be. Written from the text, not from src/consensus, whose code it judges.
 */
import { derive, type Report, type Start } from './derivation.js';
import type {
  Block,
  BlockId,
  Certificate,
  Configuration,
  Entry,
  Flaws,
  Knowledge,
  Replica,
  Step,
} from './model.js';

export type * from './model.js';

export const genesis: BlockId = '';
const nothing: Start = { base: genesis, baseHeight: 0, blocks: [], top: 0 };
export const place = (view: number, height: number): string => `${view}/${height}`;

/** The whole system. */
export class Protocol {
  readonly configuration: Configuration;
  readonly flaws: Flaws;
  readonly quorum: number;
  readonly faulty: number;
  readonly #blockOf: (id: BlockId) => Block;
  /** Undefined for a faulty one. */
  replicas: (Replica | undefined)[];
  /** Every view that a correct replica has entered, with what it started from. */
  readonly entered: Entry[] = [];
  /** Highest view in which a correct replica has voted. */
  highestView = 0;

  constructor(configuration: Configuration, blockOf: (id: BlockId) => Block, from?: Protocol) {
    const { n } = configuration;
    this.configuration = configuration;
    this.flaws = configuration.flaws ?? {};
    this.#blockOf = blockOf;
    const f = Math.floor((n - 1) / 3);
    this.faulty = configuration.faulty.length;
    if (this.faulty > f) throw new RangeError(`${n} validators tolerate ${f} faulty ones`);
    this.quorum = Math.ceil((n + f + 1) / 2) - (this.flaws.smallQuorum === true ? 1 : 0);
    this.replicas = Array.from({ length: n }, (_, index) =>
      configuration.faulty.includes(index) ? undefined : copyOf(from?.replicas[index]),
    );
    if (from === undefined) return;
    this.entered.push(...from.entered);
    this.highestView = from.highestView;
  }

  /** A copy that goes its own way. */
  clone(): Protocol {
    return new Protocol(this.configuration, this.#blockOf, this);
  }

  block(id: BlockId): Block {
    return id === genesis ? { height: 0, parent: genesis, view: 0 } : this.#blockOf(id);
  }

  primary(view: number): number {
    return view % this.configuration.n;
  }

  /** Whether a validator has cast this vote, or may have. */
  voted(phase: 'prepares' | 'commits', validator: number, { view, block }: Certificate): boolean {
    const replica = this.replicas[validator];
    return replica === undefined || hasVoted(replica, phase, place(view, this.block(block).height), block);
  }

  /** Whether there can be a prepared certificate: the primary's pre-prepare and prepares make a quorum. */
  isPrepared(certificate: Certificate): boolean {
    return (
      this.voted('prepares', this.primary(certificate.view), certificate) &&
      this.#votersOf('prepares', certificate) >= this.quorum
    );
  }

  /** Whether there can be a commit certificate. */
  isCommitted(certificate: Certificate): boolean {
    return this.#votersOf('commits', certificate) >= this.quorum;
  }

  #votersOf(phase: 'prepares' | 'commits', certificate: Certificate): number {
    const key = place(certificate.view, this.block(certificate.block).height);
    let voters = this.faulty;
    for (const replica of this.replicas) {
      if (replica !== undefined && hasVoted(replica, phase, key, certificate.block)) voters += 1;
    }
    return voters;
  }

  /** Votes of a replica that it has cast, those that it has forgotten included, by `view/height`. */
  cast(replica: Replica, phase: 'prepares' | 'commits'): readonly (readonly [string, BlockId])[] {
    if (phase === 'commits' || replica.forgotten.size === 0) return [...replica[phase]];
    const forgotten = [...replica.forgotten].map((vote) => {
      const [view = '', height = '', block = ''] = vote.split('/');
      return [`${view}/${height}`, block] as const;
    });
    return [...replica.prepares, ...forgotten];
  }

  /** All certificates of a kind that there can be, for blocks that a correct replica has voted for. */
  certificates(phase: 'prepares' | 'commits'): Certificate[] {
    const found = new Map<string, Certificate>();
    for (const replica of this.replicas) {
      for (const [key, block] of replica === undefined ? [] : this.cast(replica, phase)) {
        const certificate = { view: Number.parseInt(key), block };
        const name = `${certificate.view}/${block}`;
        if (found.has(name)) continue;
        if (phase === 'prepares' ? this.isPrepared(certificate) : this.isCommitted(certificate))
          found.set(name, certificate);
      }
    }
    return [...found.values()];
  }

  /** Takes a step. A sentence that says why not, and nothing changed, if the rules do not allow it. */
  apply(step: Step): string | undefined {
    const replica = this.replicas[step.replica];
    if (replica === undefined) return 'a faulty validator takes no steps';
    switch (step.kind) {
      case 'propose':
      case 'prepare':
        return this.#prepare(replica, step);
      case 'commit':
        return this.#commit(replica, step);
      case 'finalize':
        return this.#finalize(replica, step);
      case 'ask':
        return this.#ask(replica, step);
      case 'start':
        return this.#startView(replica, step);
      case 'enter':
        return this.#enter(replica, step);
      case 'restart': {
        if (this.flaws.forgetsCertificates === true) replica.prepared.clear();
        if (this.flaws.forgetsVotes !== true) return undefined;
        for (const [key, block] of replica.prepares) replica.forgotten.add(`${key}/${block}`);
        replica.prepares.clear();
        return undefined;
      }
    }
  }

  #votesIn(replica: Replica, view: number): string | undefined {
    if (this.flaws.votesAfterAsking === true) {
      const left = replica.changing && view < replica.view;
      return left || (view === replica.view && !replica.changing) ? undefined : 'it is not in this view';
    }
    if (view !== replica.view) return `it is in view ${replica.view}`;
    return replica.changing ? 'it has left the lower views and the new one has not started' : undefined;
  }

  #prepare(
    replica: Replica,
    step: Extract<Step, { readonly kind: 'propose' | 'prepare' }>,
  ): string | undefined {
    const { view, block } = step;
    const { height, parent, view: first } = this.block(block);
    const wrongView = this.#votesIn(replica, view);
    if (wrongView !== undefined) return wrongView;
    const primary = this.primary(view);
    if ((step.replica === primary) !== (step.kind === 'propose'))
      return 'the primary proposes, the others prepare';
    if (replica.prepares.has(place(view, height))) return 'it has voted for this height in this view';
    const isFinal = this.#isFinal(replica, block);
    if (height <= replica.finalHeight && !isFinal) return 'another block of this height is final here';
    if (step.kind === 'prepare' && !this.voted('prepares', primary, { view, block }))
      return 'the primary has not proposed this block';
    const { blocks, top, baseHeight } = replica.start;
    const inherited = blocks.includes(block);
    if (step.kind === 'propose' && inherited) return 'what is taken over is proposed by the new-view';
    if (!inherited) {
      if (first !== view) return `a fresh block is first proposed in view ${view}`;
      if (height <= (this.flaws.replacesInherited === true ? baseHeight : top))
        return 'the view has taken over something at this height';
    }
    const unlinked = isFinal ? undefined : this.#linked(replica, view, height, parent);
    return unlinked ?? void replica.prepares.set(place(view, height), block);
  }

  /** Whether a block is final on a replica's disk. It may still vote for it: the vote may have been on its way there
   * when the block came to be final. */
  #isFinal(replica: Replica, block: BlockId): boolean {
    const { height } = this.block(block);
    let final = replica.final;
    for (let at = replica.finalHeight; at > height; at--) final = this.block(final).parent;
    return final === block;
  }

  #linked(replica: Replica, view: number, height: number, parent: BlockId): string | undefined {
    if (this.flaws.acceptsAnyParent === true) return undefined;
    if (height === replica.finalHeight + 1)
      return parent === replica.final ? undefined : 'it does not stand on the final block';
    if (replica.prepares.get(place(view, height - 1)) === parent) return undefined;
    return this.commitView(parent) === undefined
      ? 'it does not stand on what was accepted below in this view'
      : undefined;
  }

  /** A view in which there can be a commit certificate for a block. */
  commitView(block: BlockId): number | undefined {
    for (let view = 0; view <= this.highestView; view++) if (this.isCommitted({ view, block })) return view;
    return undefined;
  }

  #commit(replica: Replica, { view, block }: Certificate): string | undefined {
    const { height } = this.block(block);
    const wrongView = this.#votesIn(replica, view);
    if (wrongView !== undefined) return wrongView;
    if (replica.commits.has(place(view, height))) return 'it has voted for this height in this view';
    if (height <= replica.finalHeight && !this.#isFinal(replica, block))
      return 'another block of this height is final here';
    if (replica.prepares.get(place(view, height)) !== block)
      return 'it has not prepared this block in this view';
    if (!this.isPrepared({ view, block })) return 'there is no prepared certificate of this view';
    for (let below = replica.finalHeight + 1; below < height; below++) {
      if (!replica.commits.has(place(view, below)) && this.flaws.commitOutOfOrder !== true)
        return `it has not committed to height ${below} in this view`;
    }
    replica.commits.set(place(view, height), block);
    this.highestView = Math.max(this.highestView, view);
    if (height > replica.finalHeight) replica.prepared.set(height, { view, block });
    return undefined;
  }

  #finalize(replica: Replica, { view, block }: Certificate): string | undefined {
    const { height, parent } = this.block(block);
    if (height !== replica.finalHeight + 1) return `the last final height here is ${replica.finalHeight}`;
    if (parent !== replica.final) return 'it does not stand on the final block';
    if (!this.isCommitted({ view, block })) return 'there is no commit certificate';
    replica.final = block;
    replica.finalView = view;
    replica.finalHeight = height;
    replica.prepared.delete(height);
    return undefined;
  }

  #ask(replica: Replica, step: Extract<Step, { readonly kind: 'ask' }>): string | undefined {
    const { view } = step;
    if (view <= replica.view) return `it is in view ${replica.view}`;
    const report = { sender: step.replica, ...(step.knows ?? this.logged(replica)) };
    const problem = this.#unfounded(view, report) ?? this.#hides(report, this.logged(replica));
    if (problem !== undefined) return problem;
    replica.view = view;
    replica.changing = true;
    replica.asked.set(view, { committed: report.committed, prepared: report.prepared });
    return undefined;
  }

  /** What a replica has on disk to show. */
  logged(replica: Replica): Knowledge {
    const { final, finalView, prepared } = replica;
    return {
      committed: final === genesis ? undefined : { view: finalView, block: final },
      prepared: this.flaws.hidesCertificates === true ? [] : [...prepared.values()].sort(byHeight(this)),
    };
  }

  #startView(replica: Replica, step: Extract<Step, { readonly kind: 'start' }>): string | undefined {
    const { view, reports, blocks } = step;
    if (this.primary(view) !== step.replica) return 'only its primary starts a view';
    if (replica.view !== view || !replica.changing) return 'it has not asked for this view, or it has begun';
    if (replica.started.has(view)) return 'it has started this view before';
    const start = this.#derived(view, reports, blocks);
    if (typeof start === 'string') return start;
    replica.started.set(view, start);
    for (const block of start.blocks) replica.prepares.set(place(view, this.block(block).height), block);
    return undefined;
  }

  #enter(replica: Replica, step: Extract<Step, { readonly kind: 'enter' }>): string | undefined {
    const { view, reports, blocks } = step;
    if (view < replica.view || (view === replica.view && !replica.changing))
      return `it is in view ${replica.view}`;
    const start = this.#derived(view, reports, blocks);
    if (typeof start === 'string') return start;
    const primary = this.replicas[this.primary(view)];
    if (primary !== undefined) {
      const said = primary.started.get(view);
      if (said === undefined) return 'its primary has not started it';
      if (!sameStart(said, start)) return 'its primary has started it with something else';
    }
    replica.view = view;
    replica.changing = false;
    replica.start = start;
    for (const [height, certificate] of replica.prepared) {
      if (height > start.baseHeight && certificate.view < view && !start.blocks.includes(certificate.block))
        replica.prepared.delete(height);
    }
    const entry = { view, start, settled: this.#settled(view, start, reports) };
    const isKnown = this.entered.some(
      (other) => other.view === view && other.settled === entry.settled && sameStart(other.start, start),
    );
    if (!isKnown) this.entered.push(entry);
    return undefined;
  }

  #settled(view: number, { base }: Start, reports: readonly Report[]): number {
    if (this.replicas[this.primary(view)] === undefined) return Infinity;
    let settled = 0;
    for (const { sender, committed } of reports) {
      if (committed === undefined) continue;
      if (committed.block === base && committed.view >= view) return Infinity;
      if (this.replicas[sender] !== undefined)
        settled = Math.max(settled, this.block(committed.block).height);
    }
    return settled;
  }

  #derived(
    view: number,
    reports: readonly Report[],
    claimed: readonly BlockId[] | undefined,
  ): Start | string {
    if (new Set(reports.map(({ sender }) => sender)).size !== reports.length || reports.length < this.quorum)
      return 'a view starts from the view-changes of a quorum';
    for (const report of reports) {
      const problem = this.reportProblem(view, report);
      if (problem !== undefined) return `view-change of ${report.sender}: ${problem}`;
    }
    const { window } = this.configuration;
    const start = derive(reports, (id) => this.block(id), genesis, window, this.flaws);
    if (claimed === undefined || sameList(start.blocks, claimed)) return start;
    if (this.flaws.trustsNewView === true) {
      const top = Math.max(start.baseHeight, ...claimed.map((id) => this.block(id).height));
      return { ...start, blocks: claimed, top };
    }
    return 'this is not what follows from its view-changes';
  }

  /** Why a validator can not have shown this in a view-change. */
  reportProblem(view: number, report: Report): string | undefined {
    const unfounded = this.#unfounded(view, report);
    const replica = this.replicas[report.sender];
    if (unfounded !== undefined || replica === undefined) return unfounded;
    const asked = replica.asked.get(view);
    return asked === undefined ? 'it has not asked for this view' : this.#hides(report, asked);
  }

  #unfounded(view: number, { committed, prepared }: Report): string | undefined {
    if (committed !== undefined && !this.isCommitted(committed)) return 'there is no such commit certificate';
    let below = committed === undefined ? 0 : this.block(committed.block).height;
    for (const certificate of prepared) {
      const { height } = this.block(certificate.block);
      if (height <= below || certificate.view >= view)
        return 'its certificates are not of lower views, one a height, above what is final';
      if (!this.isPrepared(certificate)) return 'there is no such prepared certificate';
      below = height;
    }
    return undefined;
  }

  /** Whether a report shows less than what its sender had. */
  #hides({ committed, prepared }: Report, had: Knowledge): string | undefined {
    const heightOf = (certificate: Certificate | undefined): number =>
      certificate === undefined ? 0 : this.block(certificate.block).height;
    const shownHeight = heightOf(committed);
    if (shownHeight < heightOf(had.committed)) return 'it hides what is final on its disk';
    for (const certificate of had.prepared) {
      const height = heightOf(certificate);
      const shown = prepared.find((other) => heightOf(other) === height);
      if (height > shownHeight && (shown === undefined || shown.view < certificate.view))
        return `it hides its prepared certificate of height ${height}`;
    }
    return undefined;
  }
}

const byHeight =
  (protocol: Protocol) =>
  (left: Certificate, right: Certificate): number =>
    protocol.block(left.block).height - protocol.block(right.block).height;

function copyOf(replica: Replica | undefined): Replica {
  return {
    view: replica?.view ?? 0,
    changing: replica?.changing ?? false,
    start: replica?.start ?? nothing,
    final: replica?.final ?? genesis,
    finalView: replica?.finalView ?? 0,
    finalHeight: replica?.finalHeight ?? 0,
    prepares: new Map(replica?.prepares),
    commits: new Map(replica?.commits),
    prepared: new Map(replica?.prepared),
    asked: new Map(replica?.asked),
    started: new Map(replica?.started),
    forgotten: new Set(replica?.forgotten),
  };
}

function hasVoted(replica: Replica, phase: 'prepares' | 'commits', key: string, block: BlockId): boolean {
  return (
    replica[phase].get(key) === block || (phase === 'prepares' && replica.forgotten.has(`${key}/${block}`))
  );
}

function sameStart(left: Start, right: Start): boolean {
  return left.base === right.base && sameList(left.blocks, right.blocks);
}

export const sameList = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((item, index) => item === right[index]);
