import type { SignedVote, VoteSignature } from '../codec/model.js';
import { equalBytes, type Digest, type ValidatorIndex } from '../types/index.js';

/** A counted vote: what a validator said, and its signature. */
export interface Vote {
  readonly digest: Digest;
  readonly signature: VoteSignature;
}

interface Group {
  readonly digest: Digest;
  voters: number;
}

/**
 * Votes of one phase in one view for one height. The first vote of a validator counts and stays; nothing that it
 * signs later changes a count.
 */
export interface Tally {
  readonly byValidator: (Vote | undefined)[];
  readonly groups: Group[];
  /** Validators whose second, different vote was reported. */
  readonly reported: Set<ValidatorIndex>;
}

export const emptyTally = (): Tally => ({ byValidator: [], groups: [], reported: new Set() });

/** What became of a vote. `conflict`: the validator had voted otherwise; `isNews` the first time that it is seen. */
export type VoteOutcome =
  | { readonly kind: 'counted' | 'duplicate' }
  | { readonly kind: 'conflict'; readonly first: Vote; readonly isNews: boolean };

/** Adds a vote. */
export function recordVote(tally: Tally, vote: Vote): VoteOutcome {
  const voter = vote.signature.validator;
  const first = tally.byValidator[voter];
  if (first !== undefined) {
    if (equalBytes(first.digest, vote.digest)) return { kind: 'duplicate' };
    const isNews = !tally.reported.has(voter);
    tally.reported.add(voter);
    return { kind: 'conflict', first, isNews };
  }
  tally.byValidator[voter] = vote;
  const group = groupOf(tally, vote.digest);
  if (group === undefined) tally.groups.push({ digest: vote.digest, voters: 1 });
  else group.voters += 1;
  return { kind: 'counted' };
}

/** Number of validators that voted for a digest. */
export function votersFor(tally: Tally, digest: Digest): number {
  return groupOf(tally, digest)?.voters ?? 0;
}

/** Signatures of exactly `quantity` validators for a digest, in ascending order of index. There must be so many. */
export function signaturesFor(tally: Tally, digest: Digest, quantity: number): readonly VoteSignature[] {
  const signatures: VoteSignature[] = [];
  for (const vote of tally.byValidator) {
    if (signatures.length === quantity) break;
    if (vote !== undefined && equalBytes(vote.digest, digest)) signatures.push(vote.signature);
  }
  return signatures;
}

/** The vote in the form in which evidence carries it. */
export function signedVote(view: SignedVote['view'], height: SignedVote['height'], vote: Vote): SignedVote {
  return { view, height, digest: vote.digest, signature: vote.signature };
}

function groupOf(tally: Tally, digest: Digest): Group | undefined {
  for (const group of tally.groups) if (equalBytes(group.digest, digest)) return group;
  return undefined;
}
