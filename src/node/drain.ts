import type { HealthState, Logger } from '../telemetry/index.js';
import type { ReplicaDriver } from './driver.js';
import type { Clock } from './ports.js';

export interface DrainOptions {
  readonly driver: Pick<ReplicaDriver, 'dispatch' | 'snapshot'>;
  readonly clock: Clock;
  readonly health: HealthState;
  readonly log: Logger;
  /** Whether a quorum is connected: nobody else can take over. */
  readonly hasQuorum: () => boolean;
}

/** A view change that nothing disturbs takes three message delays. */
const handOverMs = 2000;
const lookMs = 10;
/** A view that comes back to a drained node is handed over again no more often than that: when all are drained, somebody
 * has to stay primary, or the views would turn without end. */
const minHandOverIntervalMs = 60_000;

/**
 * Makes a stop cheap for the others: a primary that is about to stop hands its view over, so that nobody has to find out
 * by a timer, and clients are sent elsewhere.
 */
export class Drain {
  readonly #options: DrainOptions;
  #active = false;
  /** When the view was handed over last. */
  #handedOverMs = -Infinity;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  get active(): boolean {
    return this.#active;
  }

  /** Begins; resolves once another validator is the primary, or none can be. */
  async begin(): Promise<void> {
    const { health, log } = this.#options;
    if (!this.#active) {
      this.#active = true;
      health.update({ draining: true });
      log.info(
        { code: 'DRAIN_STARTED' },
        'This node takes nothing from clients and hands over when it is the primary.',
      );
    }
    await this.handOver();
  }

  /** Whether there was anything to end. */
  end(): boolean {
    const was = this.#active;
    this.#active = false;
    this.#options.health.update({ draining: false });
    if (was) this.#options.log.info({ code: 'DRAIN_ENDED' }, 'This node takes transactions again.');
    return was;
  }

  /** Once a heartbeat: the turn may have come back to this node. */
  look(): void {
    const { driver, clock } = this.#options;
    if (!this.#active || !driver.snapshot().isPrimary) return;
    if (clock.monotonicMs() - this.#handedOverMs < minHandOverIntervalMs) return;
    this.#giveUp();
  }

  #giveUp(): void {
    const { driver, clock } = this.#options;
    if (driver.snapshot().isPrimary) this.#handedOverMs = clock.monotonicMs();
    driver.dispatch({ kind: 'handOver' });
  }

  /** Gives the view up if this is the primary, and waits until another one has taken over, if one can. */
  async handOver(): Promise<void> {
    const { driver, clock, hasQuorum } = this.#options;
    this.#giveUp();
    const untilMs = clock.monotonicMs() + handOverMs;
    while (driver.snapshot().viewChangeInProgress && hasQuorum() && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => clock.setTimer(lookMs, resolve));
    }
  }
}
