/**
 * Double-sign protection: decides what a validator's key signs, by what it has signed before. It trusts the validator
 * with nothing: what it is given is decoded here, and what it is told is proven. docs/signer.md has the rules and why
 * they are sound: no correct validator is refused, and no two signatures contradict each other.
 */
import {
  decodeBlockHeader,
  decodeCheckpointStatement,
  decodeNewView,
  decodeSignedNewView,
  decodeViewChange,
  decodeVoteStatement,
  tags,
  type CommitCertificate,
  type Finality,
  type HelloStatement,
  type SignContent,
  type ViewChange,
  type VoteStatement,
} from '../codec/index.js';
import {
  commitCertificateChecks,
  deriveNewView,
  parseNewView,
  type ConsensusConfig,
} from '../consensus/index.js';
import { headerDigest, sha256, type SignatureCheck } from '../crypto/index.js';
import { verifyZip215Natively } from '../crypto/native/index.js';
import {
  asDigest,
  asHeight,
  asPublicKey,
  asSignature,
  concatBytes,
  equalBytes,
  err,
  ok,
  toHex,
  type ChainId,
  type Digest,
  type Height,
  type PublicKey,
  type Result,
} from '../types/index.js';
import { followSetChanges } from '../verify/index.js';
import { ChainTrust } from '../verify/trust.js';
import { maxHeightsAhead, type Change, type SignedState } from './state.js';

/** Why something is not signed: a small closed set, for answers, logs and metrics (docs/signer.md). */
export const refusalCodes = [
  'MALFORMED',
  'WRONG_CHAIN',
  'WRONG_VALIDATOR_SET',
  'NOT_IN_VALIDATOR_SET',
  'WRONG_ROLE',
  'CONFLICT',
  'VIEW_LEFT',
  'ALREADY_FINAL',
  'TOO_FAR_AHEAD',
  'HIDES_COMMIT',
  'HIDES_FINALITY',
  'NOT_PROVEN',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export interface Refused {
  readonly code: RefusalCode;
  readonly message: string;
}

/** What follows from a request that is granted: first the changes are on disk, then the bytes are signed. */
export interface Granted {
  /** Absent for a fact. */
  readonly sign?: Uint8Array;
  readonly changes: readonly Change[];
}

export interface GuardOptions {
  readonly chainId: ChainId;
  readonly publicKey: PublicKey;
  /** Of the genesis. */
  readonly pipelineWindow: number;
  readonly state: SignedState;
  /** Whether a signature holds under ZIP-215; by default the native check. */
  readonly check?: (check: SignatureCheck) => boolean;
}

type Verdict = Result<Granted, Refused>;
const refuse = (code: RefusalCode, message: string): { readonly ok: false; readonly error: Refused } =>
  err({ code, message });

/** Judges requests one after the other. A granted one has changed the state already: whoever signs writes the changes
 * first, and signs nothing any more when that fails. */
export class SigningGuard {
  readonly #options: GuardOptions;
  readonly #check: (check: SignatureCheck) => boolean;
  readonly state: SignedState;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.state = options.state;
    this.#check = options.check ?? holds;
  }

  /** The same guard with another memory. */
  with(state: SignedState): SigningGuard {
    return new SigningGuard({ ...this.#options, state });
  }

  judge(content: SignContent): Verdict {
    const verdict = this.#judge(content);
    if (verdict.ok) for (const change of verdict.value.changes) this.state.apply(change);
    return verdict;
  }

  #judge(content: SignContent): Verdict {
    switch (content.kind) {
      case 'vote':
        return this.#vote(content.bytes);
      case 'checkpoint':
        return this.#checkpoint(content.bytes);
      case 'viewChange':
        return this.#viewChange(content.bytes);
      case 'newView':
        return this.#newView(content.bytes);
      case 'hello':
        return this.#hello(content.hello);
      case 'entered':
        return this.#entered(content.bytes);
      case 'finality':
        return this.#finality(content.finality);
    }
  }

  /** Own place in the validator set in force, or why nothing can be signed under the set that a statement names. */
  #place(statement: Pick<VoteStatement, 'chainId' | 'validatorSetHash'>): Result<number, Refused> {
    const { chainId, publicKey } = this.#options;
    const { set, setHash } = this.state;
    if (!equalBytes(statement.chainId, chainId)) {
      return refuse('WRONG_CHAIN', `This signer signs for chain ${toHex(chainId)} only.`);
    }
    if (!equalBytes(statement.validatorSetHash, setHash)) {
      return refuse(
        'WRONG_VALIDATOR_SET',
        `The statement is under validator set ${toHex(statement.validatorSetHash)}; in force is that of epoch ${set.epoch}.`,
      );
    }
    const place = set.validators.findIndex((validator) => equalBytes(validator.publicKey, publicKey));
    return place < 0
      ? refuse('NOT_IN_VALIDATOR_SET', `This key is not in the validator set of epoch ${set.epoch}.`)
      : ok(place);
  }

  #vote(bytes: Uint8Array): Verdict {
    const decoded = decodeVoteStatement(bytes);
    if (!decoded.ok) return refuse('MALFORMED', decoded.error.message);
    const statement = decoded.value;
    const place = this.#place(statement);
    if (!place.ok) return place;
    const { phase, view, height } = statement;
    const { set, final, view: reached } = this.state;
    const isPrimary = view % set.validators.length === place.value;
    if ((phase === 'prePrepare' && !isPrimary) || (phase === 'prepare' && isPrimary)) {
      return refuse('WRONG_ROLE', `This validator is ${isPrimary ? '' : 'not '}the primary of view ${view}.`);
    }
    if (height <= final || height < this.state.fromHeight) {
      return refuse('ALREADY_FINAL', `Height ${height} is final: the validator has blocks up to ${final}.`);
    }
    if (height > final + maxHeightsAhead) {
      return refuse(
        'TOO_FAR_AHEAD',
        `Height ${height} is too far above ${final}, the last that is known to be final.`,
      );
    }
    if (view < reached) {
      return refuse(
        'VIEW_LEFT',
        `View ${view} was left for view ${reached}: nothing is signed in it any more.`,
      );
    }
    const contradicted = this.#contradicted(statement);
    if (contradicted !== undefined) return contradicted;
    const ballot = { view, digest: copy(statement.digest) };
    const known = this.state.slots.get(height)?.votes[phase];
    const isNew = known === undefined || known.view !== view;
    return ok({
      sign: concatBytes(tags.vote, bytes),
      changes: isNew ? [{ kind: 'vote', phase, height, ballot }] : [],
    });
  }

  #contradicted({ view, height, digest }: VoteStatement): Verdict | undefined {
    const slot = this.state.slots.get(height);
    if (slot === undefined) return undefined;
    for (const [phase, ballot] of Object.entries(slot.votes)) {
      if (ballot.view === view && !equalBytes(ballot.digest, digest)) {
        return refuse(
          'CONFLICT',
          `A ${phase} for another block was signed at height ${height} in view ${view}: ${toHex(ballot.digest)}.`,
        );
      }
    }
    const { owed } = slot;
    if (owed === undefined || owed.view >= view || equalBytes(owed.digest, digest)) return undefined;
    return refuse(
      'CONFLICT',
      `A commit to another block at height ${height} was signed in view ${owed.view}, and no new view has given it up.`,
    );
  }

  #checkpoint(bytes: Uint8Array): Verdict {
    const decoded = decodeCheckpointStatement(bytes);
    if (!decoded.ok) return refuse('MALFORMED', decoded.error.message);
    const { height } = decoded.value;
    const place = this.#place(decoded.value);
    if (!place.ok) return place;
    const { checkpoints } = this.state;
    const digest = copy(decoded.value.digest);
    const known = checkpoints.get(height);
    if (known !== undefined && !equalBytes(known, digest)) {
      return refuse('CONFLICT', `Another checkpoint was signed at height ${height}: ${toHex(known)}.`);
    }
    if (known === undefined && height < Math.max(0, ...checkpoints.keys())) {
      return refuse('CONFLICT', `A checkpoint of a height above ${height} was signed before.`);
    }
    const changes: Change[] = known === undefined ? [{ kind: 'checkpoint', height, digest }] : [];
    return ok({ sign: concatBytes(tags.checkpoint, bytes), changes });
  }

  #viewChange(bytes: Uint8Array): Verdict {
    const decoded = decodeViewChange(bytes);
    if (!decoded.ok) return refuse('MALFORMED', decoded.error.message);
    const body = decoded.value;
    const { view, validator, committed } = body;
    const place = this.#place(body);
    if (!place.ok) return place;
    if (validator !== place.value || view === 0) {
      return refuse('MALFORMED', 'The view-change names another validator, or view 0.');
    }
    if (view < this.state.view) {
      return refuse('VIEW_LEFT', `View ${view} was left for view ${this.state.view}.`);
    }
    const shown = committed?.height ?? 0;
    if (shown < this.state.final) {
      return refuse(
        'HIDES_FINALITY',
        `The view-change shows height ${shown} as its last final one; the validator had blocks up to ${this.state.final}.`,
      );
    }
    const changes: Change[] = [{ kind: 'view', view }];
    let missing = this.#unanswered(body, new Set());
    if (missing.length > 0 && committed !== undefined && this.#holds(committed)) {
      const released = this.#releasedBy(committed);
      missing = this.#unanswered(body, new Set(released));
      if (released.length > 0) changes.push({ kind: 'released', heights: released });
    }
    if (missing.length > 0) {
      return refuse(
        'HIDES_COMMIT',
        `The view-change shows no prepared certificate for height ${missing.join(', ')}, where a commit was signed.`,
      );
    }
    return ok({ sign: concatBytes(tags.viewChange, bytes), changes });
  }

  /** Heights of commits for which a view-change shows neither finality nor a certificate of their view or a later one.
   * Its certificates need not be checked: one with a false certificate is worth nothing to anybody. */
  #unanswered({ committed, prepared }: ViewChange, released: ReadonlySet<Height>): readonly Height[] {
    const shown = new Map<Height, { readonly view: number; readonly digest: Uint8Array }>();
    for (const { view, header } of prepared) {
      const height = heightOf(header);
      if (height !== undefined) shown.set(height, { view, digest: headerDigest(header) });
    }
    const low = committed?.height ?? 0;
    return [...this.state.slots].flatMap(([height, { owed }]) => {
      if (owed === undefined || height <= low || released.has(height)) return [];
      const answer = shown.get(height);
      const isAnswered =
        answer !== undefined &&
        (answer.view > owed.view || (answer.view === owed.view && equalBytes(answer.digest, owed.digest)));
      return isAnswered ? [] : [height];
    });
  }

  /** Heights of commits that a final block refutes: one to another block at its height, and those that stood on it. */
  #releasedBy({ height, digest }: Pick<CommitCertificate, 'height' | 'digest'>): readonly Height[] {
    const refuted = this.state.slots.get(height)?.owed;
    if (refuted === undefined || equalBytes(refuted.digest, digest)) return [];
    return [...this.state.slots].flatMap(([at, { owed }]) =>
      at >= height && owed?.view === refuted.view ? [at] : [],
    );
  }

  #newView(bytes: Uint8Array): Verdict {
    const decoded = decodeNewView(bytes);
    if (!decoded.ok) return refuse('MALFORMED', decoded.error.message);
    const { view, validator } = decoded.value;
    const place = this.#place(decoded.value);
    if (!place.ok) return place;
    const { set, newView, view: reached } = this.state;
    if (view === 0 || validator !== place.value || view % set.validators.length !== place.value) {
      return refuse('WRONG_ROLE', `This validator does not start view ${view}.`);
    }
    if (view < reached) return refuse('VIEW_LEFT', `View ${view} was left for view ${reached}.`);
    const hash = sha256(bytes);
    if (newView?.view === view) {
      return equalBytes(newView.hash, hash)
        ? ok({ sign: concatBytes(tags.newView, bytes), changes: [] })
        : refuse('CONFLICT', `View ${view} was started by another new-view before.`);
    }
    return ok({
      sign: concatBytes(tags.newView, bytes),
      changes: [{ kind: 'newView', view, hash }],
    });
  }

  #hello(hello: HelloStatement): Verdict {
    const { chainId } = this.#options;
    if (!equalBytes(hello.chainId, chainId)) {
      return refuse('WRONG_CHAIN', `This signer signs for chain ${toHex(chainId)} only.`);
    }
    const { nonceReceived, nonceSent, signerFingerprint, receiverFingerprint } = hello;
    const sign = concatBytes(
      tags.hello,
      chainId,
      nonceReceived,
      nonceSent,
      signerFingerprint,
      receiverFingerprint,
    );
    return ok({ sign, changes: [] });
  }

  /** The validator has entered a view: what that view has not taken over, and is above its base, was not final, and needs
   * no answer any more. */
  #entered(bytes: Uint8Array): Verdict {
    const decoded = decodeSignedNewView(bytes);
    if (!decoded.ok) return refuse('MALFORMED', decoded.error.message);
    const config = this.#config();
    const parsed = parseNewView(decoded.value, config);
    if (!parsed.ok) return refuse('NOT_PROVEN', `The new-view does not hold: ${parsed.error}.`);
    const { newView, viewChanges } = parsed.value.verified;
    if (newView.view < this.state.view) return ok({ changes: [] });
    const derived = deriveNewView(viewChanges, config.pipelineWindow);
    const taken = new Map(derived.reproposals.map(({ height, digest }) => [height, digest]));
    const isDerived =
      taken.size === newView.reproposals.length &&
      newView.reproposals.every(({ height, digest }) => equalBytes(taken.get(height) ?? none, digest));
    if (!isDerived || !parsed.value.checks.every(this.#check)) {
      return refuse(
        'NOT_PROVEN',
        'The new-view is not derived from its view-changes, or a signature is false.',
      );
    }
    const heights = [...this.state.slots].flatMap(([height, { owed }]) => {
      if (owed === undefined || owed.view >= newView.view) return [];
      const over = taken.get(height);
      // At and below the base, what the view proposes again is final, and so refutes what differs from it.
      const isGivenUp = over === undefined ? height > derived.baseHeight : !equalBytes(over, owed.digest);
      return isGivenUp ? [height] : [];
    });
    const changes: Change[] = [];
    if (newView.view > this.state.view) changes.push({ kind: 'view', view: newView.view });
    if (heights.length > 0) changes.push({ kind: 'released', heights });
    return ok({ changes });
  }

  #finality({ setChanges, certificate }: Finality): Verdict {
    const changes: Change[] = [];
    let config = this.#config();
    const news = setChanges.filter(({ header }) => (heightOf(header) ?? 0) >= this.state.fromHeight);
    if (news.length > 0) {
      const { set, setHash, fromHeight } = this.state;
      const known = { set, hash: setHash, fromHeight, toHeight: undefined };
      const check = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
        this.#check({ publicKey: asPublicKey(publicKey), message, signature: asSignature(signature) });
      const trust = new ChainTrust(this.#options.chainId, [known], check, undefined);
      const followed = followSetChanges(trust, news);
      if (!followed.ok) return refuse('NOT_PROVEN', followed.error.message);
      for (const next of followed.value.validatorSets.slice(1)) {
        changes.push({ kind: 'set', set: next.set, fromHeight: asHeight(next.fromHeight) });
        const { validatorSet, validatorSetHash } = config;
        const predecessor = { validatorSet, validatorSetHash };
        config = { ...config, validatorSet: next.set, validatorSetHash: next.hash, predecessor };
      }
    }
    const { height } = certificate;
    const checks = commitCertificateChecks(certificate, config);
    if (!checks.ok || !checks.value.every(this.#check)) {
      return refuse('NOT_PROVEN', `The certificate of height ${height} does not hold.`);
    }
    if (height > this.state.final) changes.push({ kind: 'final', height });
    return ok({ changes });
  }

  #holds(certificate: CommitCertificate): boolean {
    const checks = commitCertificateChecks(certificate, this.#config());
    return checks.ok && checks.value.every(this.#check);
  }

  #config(): ProofConfig {
    const { chainId, pipelineWindow } = this.#options;
    const { set, setHash, before } = this.state;
    return {
      chainId,
      pipelineWindow,
      validatorSet: set,
      validatorSetHash: setHash,
      ...(before && { predecessor: { validatorSet: before.set, validatorSetHash: before.setHash } }),
    };
  }
}

type ProofConfig = Pick<
  ConsensusConfig,
  'chainId' | 'validatorSet' | 'validatorSetHash' | 'pipelineWindow' | 'predecessor'
>;

const none = new Uint8Array(0);

const copy = (digest: Digest): Digest => asDigest(digest.slice());

const holds = ({ publicKey, message, signature }: SignatureCheck): boolean =>
  verifyZip215Natively(publicKey, message, signature);

function heightOf(headerBytes: Uint8Array): Height | undefined {
  const header = decodeBlockHeader(headerBytes);
  return header.ok ? header.value.height : undefined;
}
