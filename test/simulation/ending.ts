/** How a simulation ends: when everything is final everywhere, and what must hold then. */
import { equalBytes } from '../../src/types/index.js';
import type { Checker } from './checker.js';
import type { Machine } from './machine.js';
import { checkStore } from './store-check.js';

/** Whether a machine has everything up to a height, and nothing to do. */
export function isAtRest(machine: Machine, height: number): boolean {
  const { replica } = machine;
  if (replica === undefined || machine.store?.head()?.height !== height) return false;
  const { pending, inFlight } = replica.mempool.stats();
  return pending === 0 && inFlight === 0;
}

/** Where a machine stands, for people. */
export function whereItIs({ index, replica, store }: Machine): string {
  const snapshot = replica?.driver.snapshot();
  const doing = [
    snapshot?.viewChangeInProgress === true ? ' changing' : '',
    snapshot?.syncing === true ? ' syncing' : '',
    snapshot?.abstaining === true ? ' silent' : '',
  ].join('');
  const stats = replica?.mempool.stats();
  return `${index}: height ${store?.head()?.height ?? 0} view ${snapshot?.view ?? '-'}${doing} pending ${stats?.pending ?? '-'} in flight ${stats?.inFlight ?? '-'}`;
}

/** Holds the machines that must have got on against the chain. */
export async function checkEnd(
  checker: Checker,
  machines: readonly Machine[],
  fail: (message: string) => void,
): Promise<void> {
  const tip = checker.chain.at(-1);
  for (const machine of machines) {
    const head = machine.store?.head();
    if (tip !== undefined && (head === undefined || !equalBytes(head.digest, tip.digest)))
      fail(`AGREEMENT: replica ${machine.index} ends at another block`);
    if (machine.doubleVotes && machine.evidenceCount === 0 && machine.replica?.driver.evidence.size === 0)
      fail(`EVIDENCE: replica ${machine.index} has seen a validator vote twice and reports nothing`);
    if (machine.store !== undefined && !machine.damaged)
      await checkStore(checker, machine.index, machine.store, fail);
  }
}
