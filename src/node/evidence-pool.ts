/**
 * What is known of validators that signed two different things in one place: found here or received, checked before it
 * is kept, stored before it is passed on, passed on once, and shown to whoever connects. It judges nobody: what follows
 * from evidence is for the institutions to decide.
 */
import { bounds, decodeEvidence, encodeEvidence, type Evidence, type ValidatorSet } from '../codec/index.js';
import type { Store } from '../storage/types.js';
import { QuaestorError, toHex } from '../types/index.js';
import type { ChainId, Hash, ValidatorIndex } from '../types/index.js';
import { beginEvidence } from '../verify/index.js';
import type { DriverObserver, EvidenceRefusal } from './driver-options.js';
import type { DriverPorts } from './ports.js';

/** Most pieces kept against one validator: it is as guilty after so many as after more. */
const maxPiecesPerValidator = 32;

export interface EvidencePoolOptions {
  readonly ports: Pick<DriverPorts, 'store' | 'peers' | 'verifier'>;
  readonly chainId: ChainId;
  /** The validator set of a hash; undefined when it is none of this chain's. */
  readonly setOf: (hash: Hash) => ValidatorSet | undefined;
  readonly observer: Pick<DriverObserver, 'evidence' | 'evidenceRefused'>;
  /** Evidence could not be stored. */
  readonly failed: (error: unknown) => void;
}

interface Piece {
  readonly evidence: Evidence;
  readonly bytes: Uint8Array;
}

export class EvidencePool {
  readonly #options: EvidencePoolOptions;
  /** By place: one piece proves what there is to prove about a validator, view, height and phase. */
  readonly #pieces = new Map<string, Piece>();
  /** Number of pieces by validator. */
  readonly #counts = new Map<string, number>();
  /** Places of which a piece from a peer is being checked. */
  readonly #checking = new Map<string, Promise<void>>();

  constructor(options: EvidencePoolOptions, stored: readonly Evidence[] = []) {
    this.#options = options;
    for (const evidence of stored) this.#add(evidence, encodeEvidence(evidence));
  }

  /** All pieces, in order of height, view, phase and validator. */
  list(): readonly Evidence[] {
    return [...this.#pieces.values()].map(({ evidence }) => evidence).sort(inOrder);
  }

  get size(): number {
    return this.#pieces.size;
  }

  /** Takes what this replica found itself; its signatures are checked already. */
  found(evidence: Evidence): void {
    const refusal = this.#refusalOf(evidence);
    if (refusal === undefined) this.#keep(evidence, undefined);
    else this.#options.observer.evidenceRefused(undefined, refusal);
  }

  /** Takes what a peer says. Resolves when it is done with. */
  async receive(from: ValidatorIndex, bytes: Uint8Array): Promise<void> {
    const { observer } = this.#options;
    const decoded = decodeEvidence(bytes);
    if (!decoded.ok) {
      observer.evidenceRefused(from, 'malformed');
      return;
    }
    const place = placeOf(decoded.value);
    // One at a time for each place: what several peers pass on at once is checked once, and a forgery that comes first
    // does not keep the real piece out.
    for (let busy = this.#checking.get(place); busy !== undefined; busy = this.#checking.get(place))
      await busy;
    const work = this.#judge(from, decoded.value);
    this.#checking.set(place, work);
    try {
      await work;
    } finally {
      this.#checking.delete(place);
    }
  }

  /** A peer connected: it is told all. */
  greet(peer: ValidatorIndex): void {
    for (const { bytes } of this.#pieces.values()) this.#options.ports.peers.sendEvidence(peer, bytes);
  }

  async #judge(from: ValidatorIndex, evidence: Evidence): Promise<void> {
    const { ports, observer, chainId, setOf } = this.#options;
    const early = this.#refusalOf(evidence);
    if (early !== undefined) {
      observer.evidenceRefused(from, early);
      return;
    }
    const pending = beginEvidence(evidence, chainId, setOf);
    if (!pending.ok) {
      observer.evidenceRefused(from, refusals[pending.error.code] ?? 'malformed');
      return;
    }
    const outcomes = await ports.verifier.verify(pending.value.checks);
    if (!outcomes.every(Boolean)) {
      observer.evidenceRefused(from, 'unverified');
      return;
    }
    const late = this.#refusalOf(evidence);
    if (late === undefined) this.#keep(evidence, from);
    else observer.evidenceRefused(from, late);
  }

  #refusalOf(evidence: Evidence): 'duplicate' | 'full' | undefined {
    if (this.#pieces.has(placeOf(evidence))) return 'duplicate';
    const full =
      this.#pieces.size >= bounds.maxEvidence ||
      (this.#counts.get(validatorOf(evidence)) ?? 0) >= maxPiecesPerValidator;
    return full ? 'full' : undefined;
  }

  #keep(evidence: Evidence, from: ValidatorIndex | undefined): void {
    const { ports, observer, failed } = this.#options;
    const bytes = encodeEvidence(evidence);
    this.#add(evidence, bytes);
    ports.store.putEvidence(placeOf(evidence), bytes).then(() => {
      observer.evidence(evidence, from);
      ports.peers.sendEvidence('all', bytes);
    }, failed);
  }

  #add(evidence: Evidence, bytes: Uint8Array): void {
    const validator = validatorOf(evidence);
    this.#pieces.set(placeOf(evidence), { evidence, bytes });
    this.#counts.set(validator, (this.#counts.get(validator) ?? 0) + 1);
  }
}

/** Reads what is stored. Throws a QuaestorError when it makes no sense. */
export async function readEvidence(store: Store): Promise<readonly Evidence[]> {
  return (await store.evidence()).map(({ key, value }) => {
    const decoded = decodeEvidence(value);
    if (decoded.ok) return decoded.value;
    throw new QuaestorError(
      'EVIDENCE_DAMAGED',
      `The evidence "${key}" in the store can't be read: ${decoded.error.message} Restore the folder from a backup that is ` +
        `known to be the newest, or replace the validator's key and let it catch up on an empty folder.`,
      { key },
    );
  });
}

const refusals: Readonly<Record<string, EvidenceRefusal>> = {
  NO_CONFLICT: 'noConflict',
  UNKNOWN_VALIDATOR: 'unknownValidator',
  UNKNOWN_VALIDATOR_SET: 'unknownValidator',
};

const phases = ['prePrepare', 'prepare', 'commit'] as const;

const validatorOf = ({ validatorSetHash, first }: Evidence): string =>
  `${toHex(validatorSetHash)}/${first.signature.validator}`;

const placeOf = (evidence: Evidence): string =>
  `${validatorOf(evidence)}/${evidence.first.height}/${evidence.first.view}/${evidence.phase}`;

function inOrder(left: Evidence, right: Evidence): number {
  return (
    left.first.height - right.first.height ||
    left.first.view - right.first.view ||
    phases.indexOf(left.phase) - phases.indexOf(right.phase) ||
    left.first.signature.validator - right.first.signature.validator
  );
}
