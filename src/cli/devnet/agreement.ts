/** Whether all validators have the same chain. */
import type { QuaestorClient, ValidatorStatus } from '../../client/index.js';
import { equalBytes, toHex } from '../../types/index.js';
import { exitCodes } from '../exit-codes.js';
import { CommandError } from '../command-error.js';
import { pause } from '../pause.js';

/** Where all validators stand. */
export interface Agreement {
  readonly height: number;
  readonly stateRoot: Uint8Array;
  readonly statuses: readonly ValidatorStatus[];
}

const timeoutMs = 60_000;
const pollMs = 50;

/**
 * Waits until all validators have reached the same height, at least `minHeight`, and compares their state roots. Throws
 * when one does not get there in time or has another root.
 */
export async function waitForAgreement(
  client: QuaestorClient,
  minHeight: number,
  signal: AbortSignal,
): Promise<Agreement> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answers = await client.getStatusOfAll({ timeoutMs: 5000, signal });
    const statuses = answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
    const [first] = statuses;
    if (
      first !== undefined &&
      statuses.length === answers.length &&
      statuses.every(({ height }) => height === first.height && height >= minHeight)
    ) {
      const other = statuses.find(
        ({ stateRoot, digest }) =>
          !equalBytes(stateRoot, first.stateRoot) || !equalBytes(digest, first.digest),
      );
      if (other === undefined) return { height: first.height, stateRoot: first.stateRoot, statuses };
      throw new CommandError(
        'DISAGREEMENT',
        `${first.validator} and ${other.validator} disagree at height ${first.height}: state roots ${toHex(first.stateRoot)} and ${toHex(other.stateRoot)}.`,
        exitCodes.unverified,
      );
    }
    if (performance.now() > deadlineMs) {
      const states = answers.map((answer) =>
        'status' in answer
          ? `${answer.status.validator} at height ${answer.status.height}`
          : `${answer.address}: ${answer.error.message}`,
      );
      throw new CommandError(
        'LAGGING',
        `The validators have not all reached height ${minHeight} within ${timeoutMs / 1000} s: ${states.join('; ')}.`,
        exitCodes.failed,
      );
    }
    await pause(pollMs, signal);
  }
}

/** Longest wait for validators to find each other. */
const connectTimeoutMs = 15_000;

/** Waits until every validator is connected to every other one; gives up quietly: the network works with a quorum. */
export async function waitForConnections(client: QuaestorClient, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + connectTimeoutMs;
  while (performance.now() < deadlineMs) {
    const answers = await client.getStatusOfAll({ timeoutMs: 5000, signal });
    const connected = answers.every(
      (answer) => 'status' in answer && answer.status.connectedValidators === answers.length,
    );
    if (connected) return;
    await pause(pollMs, signal);
  }
}
