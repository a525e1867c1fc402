/** What a node tells about itself. Everything starts as "not yet". */
export interface HealthInputs {
  /** Start-up is over: store open, state loaded, ports listening. */
  readonly started: boolean;
  /** An operator has it prepared for a stop. */
  readonly draining: boolean;
  /** The node is shutting down. */
  readonly stopping: boolean;
  /** Why the node stopped working for good, for example a store that cannot be written. */
  readonly failure: string | undefined;
  /** Why consensus stopped voting for good. */
  readonly halted: string | undefined;
  /** The signer answers. */
  readonly signerReady: boolean;
  /** Why it does not, as a sentence. */
  readonly signerTrouble: string | undefined;
  /** Last committed height here, and the highest that any validator reported. */
  readonly height: number;
  readonly knownHeight: number;
  /** Validators that have said since the start where they stand, this one included, and how many have to before
   * `knownHeight` means anything. */
  readonly heardValidators: number;
  readonly neededValidators: number;
  /** A catch-up is under way. */
  readonly syncing: boolean;
  /** Part of a snapshot that is copied, 0 … 1, while the node copies one. */
  readonly copiedFraction: number | undefined;
  /** Validators with an open stream, this one included; the quorum. */
  readonly connectedValidators: number;
  readonly quorum: number;
}

/** Heights that a validator may be behind and still count as synced: blocks are in flight at any moment. */
const defaultLagBlocks = 16;

/**
 * Whether the node lives and whether it is ready. It lives as long as the process can do its work, whatever the
 * others do, so that an orchestrator never restarts a node for the sake of others. It is ready when it is synced and
 * able to vote, which it knows once it has heard from a quorum since its start. A quorum that is lost later does not make
 * it unready: clients are answered, with that reason.
 */
export class HealthState {
  readonly #lagBlocks: number;
  #inputs: HealthInputs = {
    started: false,
    draining: false,
    stopping: false,
    failure: undefined,
    halted: undefined,
    signerReady: false,
    signerTrouble: undefined,
    height: 0,
    knownHeight: 0,
    heardValidators: 1,
    neededValidators: 1,
    syncing: false,
    copiedFraction: undefined,
    connectedValidators: 1,
    quorum: 1,
  };

  constructor(lagBlocks = defaultLagBlocks) {
    this.#lagBlocks = lagBlocks;
  }

  /** Takes over what has changed. */
  update(changes: Partial<HealthInputs>): void {
    this.#inputs = { ...this.#inputs, ...changes };
  }

  live(): boolean {
    return this.#inputs.failure === undefined;
  }

  /** `reasons` says in short sentences what is missing. */
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    const now = this.#inputs;
    const behind = now.knownHeight - now.height;
    const reasons: string[] = [];
    if (now.failure !== undefined) reasons.push(`The node has failed: ${now.failure}`);
    if (now.halted !== undefined) reasons.push(`Voting has stopped for good: ${now.halted}`);
    if (now.stopping) reasons.push('The node is stopping.');
    else if (now.copiedFraction !== undefined) {
      const percent = Math.floor(now.copiedFraction * 100);
      reasons.push(`The node copies the state of a recent block: ${percent} % are here.`);
    } else if (!now.started) reasons.push('The node is starting.');
    else {
      if (now.draining) reasons.push('The node is drained for maintenance.');
      if (!now.signerReady) {
        const { signerTrouble } = now;
        reasons.push(
          `The validator key cannot be used${signerTrouble === undefined ? '.' : `: ${signerTrouble}`}`,
        );
      }
      if (now.heardValidators < now.neededValidators) {
        reasons.push(
          `The node has heard from too few validators since its start to know whether it is synced: ` +
            `${now.heardValidators} of ${now.neededValidators}, itself included.`,
        );
      }
      if (behind > this.#lagBlocks) {
        reasons.push(`The node is ${behind} blocks behind (${now.height} of ${now.knownHeight}).`);
      } else if (now.syncing) {
        reasons.push('The node is catching up.');
      }
    }
    return { ready: reasons.length === 0, reasons };
  }

  /** Whether enough validators are connected to commit anything. */
  quorumReachable(): boolean {
    return this.#inputs.connectedValidators >= this.#inputs.quorum;
  }
}
