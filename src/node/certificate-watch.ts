import type { Logger, Metrics } from '../telemetry/index.js';
import type { Clock } from './ports.js';

/** Whose connections a certificate is for. */
export type CertificateSurface = 'peer' | 'client';

const dayMs = 24 * 60 * 60 * 1000;
/** An operator is told this long ahead. */
const noticeMs = 30 * dayMs;

export interface CertificateWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Knows when the certificates in use expire: as a metric, and once a day as a warning when the end is near. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  readonly #expiryMs = new Map<CertificateSurface, number>();
  #nextWarningMs = 0;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
  }

  /** A certificate is used from now on. Times are wall-clock milliseconds since 1970. */
  use(surface: CertificateSurface, expiryMs: number): void {
    this.#expiryMs.set(surface, expiryMs);
    this.#options.metrics.tls.certificateExpiry.with({ surface }).set(expiryMs / 1000);
    this.#nextWarningMs = 0;
  }

  /** Looks at the clock; to be called now and then. */
  look(): void {
    const nowMs = this.#options.clock.wallMs();
    if (nowMs < this.#nextWarningMs) return;
    this.#nextWarningMs = nowMs + dayMs;
    for (const [surface, expiryMs] of this.#expiryMs) {
      const leftMs = expiryMs - nowMs;
      if (leftMs > noticeMs) continue;
      const expiry = new Date(expiryMs).toISOString();
      const text =
        leftMs > 0
          ? `expires at ${expiry}, in ${Math.floor(leftMs / dayMs)} days. Have a new one issued and put its files in place`
          : `expired at ${expiry}: new connections are refused by others. Put new files in place`;
      this.#options.log.warn(
        { code: 'CERTIFICATE_EXPIRES_SOON', surface, expiry },
        `The TLS certificate for ${surface === 'peer' ? 'validators' : 'clients'} ${text}; SIGHUP loads them.`,
      );
    }
  }
}
