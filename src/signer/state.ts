/**
 * What a signer remembers of what it has signed, as changes that are written one after the other: the state is what they
 * lead to. Bounded: a slot for each height above the final one, at most `maxHeightsAhead` of them.
 */
import { decodeValidatorSet, encodeValidatorSet, type ValidatorSet, type VotePhase } from '../codec/index.js';
import { validatorSetHash } from '../crypto/index.js';
import {
  asDigest,
  asHeight,
  asView,
  fromHex,
  toHex,
  type Digest,
  type Hash,
  type Height,
  type View,
} from '../types/index.js';

/** How far above the final height anything is signed: more than any correct validator is ahead of its own disk. */
export const maxHeightsAhead = 4096;
/** A validator tells its signer of a final block so many heights later: votes that its disk held up may still come. */
export const finalityLag = (pipelineWindow: number): number => 2 * pipelineWindow;

/** Checkpoints whose digests are kept. */
const keptCheckpoints = 16;

/** A block voted for in a view. */
export interface Ballot {
  readonly view: View;
  readonly digest: Digest;
}

/** What was signed for one height. */
export interface SignedSlot {
  /** The vote of the highest view, by phase. */
  readonly votes: Partial<Record<VotePhase, Ballot>>;
  /** A commit that a view-change has to answer for: it shows a prepared certificate of this view or a later one. */
  owed?: Ballot | undefined;
}

/** One change of the state, as it is kept on disk. */
export type Change =
  /** A validator set is in force from a height on: what was signed under the one before is over. */
  | { readonly kind: 'set'; readonly set: ValidatorSet; readonly fromHeight: Height }
  | { readonly kind: 'vote'; readonly phase: VotePhase; readonly height: Height; readonly ballot: Ballot }
  /** Nothing is signed in a lower view any more. */
  | { readonly kind: 'view'; readonly view: View }
  | { readonly kind: 'newView'; readonly view: View; readonly hash: Uint8Array }
  | { readonly kind: 'checkpoint'; readonly height: Height; readonly digest: Digest }
  /** Everything up to a height is final and on the validator's disk. */
  | { readonly kind: 'final'; readonly height: Height }
  /** The commits to these heights need no answer any more. */
  | { readonly kind: 'released'; readonly heights: readonly Height[] };

/** The memory of a signer. Changed by `apply` and by nothing else. Changes that are applied again, in order and up to the
 * last one, lead to the same state. */
export class SignedState {
  set: ValidatorSet;
  setHash: Hash;
  fromHeight: Height;
  /** The set that decided the heights below `fromHeight`; undefined for that of the genesis. */
  before: { readonly set: ValidatorSet; readonly setHash: Hash; readonly fromHeight: Height } | undefined;
  final: Height = asHeight(0);
  view: View = asView(0);
  newView: { readonly view: View; readonly hash: Uint8Array } | undefined;
  readonly slots = new Map<Height, SignedSlot>();
  readonly checkpoints = new Map<Height, Digest>();

  constructor(set: ValidatorSet) {
    this.set = set;
    this.setHash = validatorSetHash(set);
    this.fromHeight = asHeight(0);
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'set':
        if (change.set.epoch <= this.set.epoch) return;
        this.before = { set: this.set, setHash: this.setHash, fromHeight: this.fromHeight };
        this.set = change.set;
        this.setHash = validatorSetHash(change.set);
        this.fromHeight = change.fromHeight;
        this.view = asView(0);
        this.newView = undefined;
        this.slots.clear();
        if (change.fromHeight > 0) this.#settle(asHeight(change.fromHeight - 1));
        return;
      case 'vote': {
        const { phase, height, ballot } = change;
        let slot = this.slots.get(height);
        if (slot === undefined) {
          slot = { votes: {} };
          this.slots.set(height, slot);
        }
        slot.votes[phase] = ballot;
        if (phase === 'commit') slot.owed = ballot;
        this.#reach(ballot.view);
        return;
      }
      case 'view':
        this.#reach(change.view);
        return;
      case 'newView':
        this.newView = change;
        this.#reach(change.view);
        return;
      case 'checkpoint':
        this.checkpoints.set(change.height, change.digest);
        for (const height of this.checkpoints.keys()) {
          if (this.checkpoints.size <= keptCheckpoints) break;
          this.checkpoints.delete(height);
        }
        return;
      case 'final':
        this.#settle(change.height);
        return;
      case 'released':
        for (const height of change.heights) {
          const slot = this.slots.get(height);
          if (slot !== undefined) slot.owed = undefined;
        }
        return;
    }
  }

  /** Changes that lead from the set of the genesis to this state: what is kept when the older ones are given up. */
  *summary(): Iterable<Change> {
    if (this.before !== undefined) {
      yield { kind: 'set', set: this.before.set, fromHeight: this.before.fromHeight };
      yield { kind: 'set', set: this.set, fromHeight: this.fromHeight };
    }
    yield { kind: 'final', height: this.final };
    for (const [height, { votes, owed }] of this.slots) {
      const { commit } = votes;
      if (commit !== undefined) yield { kind: 'vote', phase: 'commit', height, ballot: commit };
      for (const phase of ['prePrepare', 'prepare'] as const) {
        const ballot = votes[phase];
        if (ballot !== undefined) yield { kind: 'vote', phase, height, ballot };
      }
      if (commit !== undefined && owed === undefined) yield { kind: 'released', heights: [height] };
    }
    if (this.newView !== undefined) yield { kind: 'newView', ...this.newView };
    yield { kind: 'view', view: this.view };
    for (const [height, digest] of this.checkpoints) yield { kind: 'checkpoint', height, digest };
  }

  #reach(view: View): void {
    if (view > this.view) this.view = view;
  }

  #settle(height: Height): void {
    if (height <= this.final) return;
    this.final = height;
    for (const known of this.slots.keys()) if (known <= height) this.slots.delete(known);
  }
}

/** Bytes of changes that are written together. */
export function encodeChanges(changes: readonly Change[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(changes.map(toPlain)));
}

/** Changes of bytes that `encodeChanges` gave; undefined when it cannot have given them. */
export function decodeChanges(bytes: Uint8Array): readonly Change[] | undefined {
  try {
    const plain = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes),
    ) as readonly PlainChange[];
    return plain.map(fromPlain);
  } catch {
    return undefined;
  }
}

type PlainBallot = readonly [view: number, digest: string];
type PlainChange =
  | readonly ['set', string, number]
  | readonly ['vote', VotePhase, number, PlainBallot]
  | readonly ['view', number]
  | readonly ['newView', number, string]
  | readonly ['checkpoint', number, string]
  | readonly ['final', number]
  | readonly ['released', ...number[]];

function toPlain(change: Change): PlainChange {
  switch (change.kind) {
    case 'set':
      return ['set', toHex(encodeValidatorSet(change.set)), change.fromHeight];
    case 'vote': {
      const { phase, height, ballot } = change;
      return ['vote', phase, height, [ballot.view, toHex(ballot.digest)]];
    }
    case 'view':
      return ['view', change.view];
    case 'newView':
      return ['newView', change.view, toHex(change.hash)];
    case 'checkpoint':
      return ['checkpoint', change.height, toHex(change.digest)];
    case 'final':
      return ['final', change.height];
    case 'released':
      return ['released', ...change.heights];
  }
}

function fromPlain(plain: PlainChange): Change {
  switch (plain[0]) {
    case 'set': {
      const set = decodeValidatorSet(bytesOf(plain[1]));
      if (!set.ok) throw set.error;
      return { kind: 'set', set: set.value, fromHeight: asHeight(plain[2]) };
    }
    case 'vote': {
      const [, phase, height, [view, digest]] = plain;
      const ballot = { view: asView(view), digest: asDigest(bytesOf(digest)) };
      return { kind: 'vote', phase, height: asHeight(height), ballot };
    }
    case 'view':
      return { kind: 'view', view: asView(plain[1]) };
    case 'newView':
      return { kind: 'newView', view: asView(plain[1]), hash: bytesOf(plain[2]) };
    case 'checkpoint':
      return { kind: 'checkpoint', height: asHeight(plain[1]), digest: asDigest(bytesOf(plain[2])) };
    case 'final':
      return { kind: 'final', height: asHeight(plain[1]) };
    case 'released': {
      const [, ...heights] = plain;
      return { kind: 'released', heights: heights.map(asHeight) };
    }
  }
}

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new TypeError('not hexadecimal');
  return bytes;
}
