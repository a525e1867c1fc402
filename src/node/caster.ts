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
import type { PeerPort } from './ports.js';

export interface CasterOptions {
  readonly peers: PeerPort;
  /** Undefined for who has no place in the validator set: then nothing is said. */
  readonly signer: Signer | undefined;
  readonly config: ConsensusConfig;
  /** The signed statement, as a message from self: own votes count like others'. */
  readonly said: (message: VerifiedMessage) => void;
  readonly failed: (error: unknown) => void;
}

/** Signs what the replica says and sends it to all, one after the other, so that what is said first leaves first. */
export class Caster {
  readonly #options: CasterOptions;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: CasterOptions) {
    this.#options = options;
  }

  /** Everything that the statement relies on is on disk already. */
  cast(statement: Statement): void {
    this.#last = this.#last
      .then(() => this.#cast(statement))
      .catch((error: unknown) => {
        if (!this.#stopped) this.#options.failed(error);
      });
  }

  /** Nothing is said from now on. */
  stop(): void {
    this.#stopped = true;
  }

  async #cast(statement: Statement): Promise<void> {
    const { peers, signer, config, said } = this.#options;
    if (signer === undefined || this.#stopped) return;
    let signing: SigningStep | SignedStatement = beginSigning(statement, config);
    while (signing.kind === 'sign') {
      signing = signing.next(await Promise.all(signing.toSign.map((bytes) => signer.sign(bytes))));
    }
    // Read anew: the replica may have stopped meanwhile.
    if (this.#hasStopped()) return;
    peers.sendConsensus('all', encodeConsensusMessage(signing.message));
    said(signing.verified);
  }

  #hasStopped(): boolean {
    return this.#stopped;
  }
}
