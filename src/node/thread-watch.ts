import type { Logger } from '../telemetry/index.js';

/** Says when threads that check signatures were lost. */
export class ThreadWatch {
  readonly #log: Logger;
  readonly #crashes: () => number;
  #known = 0;

  /** `crashes`: how many threads ended unexpectedly so far. */
  constructor(log: Logger, crashes: () => number) {
    this.#log = log;
    this.#crashes = crashes;
  }

  /** To be called now and then. */
  look(): void {
    const crashes = this.#crashes();
    if (crashes <= this.#known) return;
    this.#log.error(
      { code: 'VERIFIER_THREAD_LOST', lost: crashes - this.#known },
      'A thread that checks signatures ended unexpectedly and was replaced.',
    );
    this.#known = crashes;
  }
}
