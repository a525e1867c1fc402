import type { Logger } from '../telemetry/index.js';

/** Says when a node becomes ready, and when it no longer is. */
export class ReadinessLog {
  readonly #log: Logger;
  /** A node that starts is not ready: that is no news. */
  #wasReady = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  tell({ ready, reasons }: { readonly ready: boolean; readonly reasons: readonly string[] }): void {
    if (ready === this.#wasReady) return;
    this.#wasReady = ready;
    if (ready) this.#log.info({ code: 'NODE_READY' }, 'This node is synced and does its work.');
    else this.#log.warn({ code: 'NODE_NOT_READY', reasons }, `This node is not ready. ${reasons.join(' ')}`);
  }
}
