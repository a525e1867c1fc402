/** A network of real processes that a real Prometheus watches. */
import { eventually } from '../helpers/eventually.js';
import { TestNetwork, type NetworkOptions } from '../e2e/network.js';
import type { ValidatorProcess } from '../e2e/validator-process.js';
import { Prometheus } from './prometheus.js';

/** Most time that one fault may take. */
export const boundMs = 300_000;

export interface Watched {
  readonly network: TestNetwork;
  readonly prometheus: Prometheus;
}

/** Starts both. `prepare` may change the network before it runs. */
export async function watch(
  options: NetworkOptions,
  prepare: (network: TestNetwork) => Promise<void> = () => Promise.resolve(),
): Promise<Watched> {
  const network = await TestNetwork.create(options);
  try {
    await prepare(network);
    await network.startAll();
    const ports = network.validators.map((validator) => validator.ports.http);
    return { network, prometheus: await Prometheus.start(ports) };
  } catch (error) {
    await network.close();
    throw error;
  }
}

/** The validator that is primary of a view which has started, among those that answer. */
export async function primaryOf(network: TestNetwork): Promise<ValidatorProcess> {
  let primary: ValidatorProcess | undefined;
  await eventually('there is a primary', async () => {
    for (const validator of network.validators) {
      if (!validator.running) continue;
      const is = await validator.metric('quaestor_consensus_is_primary').catch(() => 0);
      const changing = await validator.metric('quaestor_consensus_view_change_in_progress').catch(() => 1);
      if (is === 1 && changing === 0) primary = validator;
    }
    return primary !== undefined;
  });
  return primary!;
}

/** Restarts a validator in another way; resolves when it is ready. */
export async function restart(
  validator: ValidatorProcess,
  options: Parameters<ValidatorProcess['start']>[0] = {},
): Promise<void> {
  await validator.stop();
  validator.start(options);
  await validator.ready();
}
