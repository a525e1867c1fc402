import type { NetworkLogger } from './types.js';

/** At most one log line a second about what strangers can cause at will; the next line says how many were left out. */
export class LogThrottle {
  readonly #logger: NetworkLogger;
  readonly #message: string;
  #timer: NodeJS.Timeout | undefined;
  #suppressed = 0;

  constructor(logger: NetworkLogger, message: string) {
    this.#logger = logger;
    this.#message = message;
  }

  warn(fields: object): void {
    if (this.#timer !== undefined) {
      this.#suppressed++;
      return;
    }
    this.#logger.warn({ ...fields, suppressed: this.#suppressed }, this.#message);
    this.#suppressed = 0;
    this.#timer = setTimeout(() => (this.#timer = undefined), 1000).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
