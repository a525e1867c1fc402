/** The end of a run under load: everything that clients were told is held against every store. */
import { auditStores, type AuditedChain } from './audit.js';
import { eventually } from '../helpers/eventually.js';
import type { Load } from './load.js';
import type { TestNetwork } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

export interface Reckoning {
  readonly height: number;
  readonly chain: AuditedChain;
  /** What does not hold; empty when all is well. */
  readonly problems: readonly string[];
}

/** Ends the loads, stops all processes, audits all stores, and compares them with each other and with the answers. */
export async function reckon(
  network: TestNetwork,
  loads: readonly Load[],
  /** Others whose stores have to be the same. */
  observers: readonly ValidatorProcess[] = [],
): Promise<Reckoning> {
  await Promise.all(loads.map((load) => load.stop()));
  const problems = loads.flatMap((load) => load.problems);
  const height = await network.agreed();
  await eventually('the observers have the last block too', async () => {
    const heights = await Promise.all(observers.map((node) => node.metric('quaestor_consensus_height')));
    return heights.every((each) => each === height);
  });
  await Promise.all([network.stopAll(), ...observers.map((node) => node.stop())]);
  const audited = await auditStores(network, [...network.validators, ...observers]);
  const [chain] = audited;
  if (chain === undefined) throw new Error('There was nothing to audit.');
  for (const { validator, faults, digests, stateRoots } of audited) {
    problems.push(...faults.map((fault) => `${validator}: ${fault}`));
    if (digests.join() !== chain.digests.join()) problems.push(`${validator} has another chain`);
    if (stateRoots.join() !== chain.stateRoots.join()) problems.push(`${validator} has other state roots`);
  }
  problems.push(...unkept(chain, loads));
  return { height, chain, problems };
}

/** Answers that the chain does not bear out. */
function unkept(chain: AuditedChain, loads: readonly Load[]): readonly string[] {
  const problems: string[] = [];
  for (const { acknowledged, submitted } of loads) {
    for (const [id, height] of acknowledged) {
      const places = chain.transactions.get(id) ?? [];
      const kept = places.length === 1 && places[0]?.height === height && places[0].code === 'OK';
      if (!kept)
        problems.push(`${id} was acknowledged at ${height}; the chain has ${JSON.stringify(places)}`);
    }
    for (const id of submitted.keys()) {
      if (!acknowledged.has(id)) problems.push(`${id} was submitted and never answered`);
    }
  }
  return problems;
}
