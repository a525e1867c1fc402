import { encodeConsensusMessage } from '../codec/index.js';
import {
  beginSigning,
  type ConsensusConfig,
  type SignedStatement,
  type SigningStep,
  type Statement,
  type VerifiedMessage,
} from '../consensus/index.js';
import type { Signer } from '../crypto/index.js';
import { QuaestorError } from '../types/index.js';
import type { PeerPort } from './ports.js';

export interface CasterOptions {
  readonly peers: PeerPort;
  /** Undefined for who has no place in the validator set: then nothing is said. */
  readonly signer: Signer | undefined;
  readonly config: ConsensusConfig;
  /** The signed statement, as a message from self: own votes count like others'. */
  readonly said: (message: VerifiedMessage) => void;
  /** The signer does not sign this, now or ever: it stays unsaid. */
  readonly unsigned: (statement: Statement, error: QuaestorError) => void;
  readonly failed: (error: unknown) => void;
}

/** Errors of a signer that concern one statement, or the time being: a replica that can't speak still follows. */
const passingErrors: ReadonlySet<string> = new Set(['SIGNER_REFUSED', 'SIGNER_UNAVAILABLE']);

/**
 * Signs what the replica says and sends it to all, so that what is said first leaves first. The signer is asked at once
 * for everything, since it may be far away.
 */
export class Caster {
  readonly #options: CasterOptions;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: CasterOptions) {
    this.#options = options;
  }

  /** Everything that the statement relies on is on disk already. */
  cast(statement: Statement): void {
    const { signer } = this.#options;
    if (signer === undefined || this.#stopped) return;
    const signed = this.#sign(statement, signer);
    this.#last = Promise.all([signed, this.#last]).then(
      ([message]) => {
        if (message !== undefined) this.#say(message);
      },
      (error: unknown) => {
        if (!this.#stopped) this.#options.failed(error);
      },
    );
  }

  /** Nothing is said from now on. */
  stop(): void {
    this.#stopped = true;
  }

  /** Undefined when the signer does not sign it. */
  async #sign(statement: Statement, signer: Signer): Promise<SignedStatement | undefined> {
    let signing: SigningStep | SignedStatement = beginSigning(statement, this.#options.config);
    try {
      while (signing.kind === 'sign') {
        signing = signing.next(await Promise.all(signing.toSign.map((bytes) => signer.sign(bytes))));
      }
      return signing;
    } catch (error) {
      if (!(error instanceof QuaestorError) || !passingErrors.has(error.code)) throw error;
      if (!this.#stopped) this.#options.unsigned(statement, error);
      return undefined;
    }
  }

  #say({ message, verified }: SignedStatement): void {
    if (this.#stopped) return;
    this.#options.peers.sendConsensus('all', encodeConsensusMessage(message));
    this.#options.said(verified);
  }
}
