/** The network of a folder: made when it is not there yet, read when it is. */
import { stat } from 'node:fs/promises';
import type { Genesis } from '../../codec/index.js';
import { loadGenesis, loadNodeConfig, type NodeConfig } from '../../config/index.js';
import { usageError } from '../command-error.js';
import { createNetwork, type CreateNetworkOptions } from '../network-folder/create-network.js';
import { NetworkLayout } from '../network-folder/layout.js';

export interface DevNetwork {
  readonly layout: NetworkLayout;
  readonly genesis: Genesis;
  /** In the order of the genesis. */
  readonly configs: readonly NodeConfig[];
  /** Whether it was made just now. */
  readonly created: boolean;
}

/** Opens the network of a folder, made first if there is none. */
export async function openNetwork(options: CreateNetworkOptions, making: () => void): Promise<DevNetwork> {
  const layout = new NetworkLayout(options.dir);
  const exists = await stat(layout.genesis).then(
    () => true,
    () => false,
  );
  if (!exists) {
    making();
    await createNetwork(options);
  }
  const genesis = await loadGenesis(layout.genesis);
  if (!genesis.ok) throw genesis.error;
  const { validators } = genesis.value;
  if (options.validators !== undefined && validators.length !== options.validators) {
    throw usageError(
      `The network in ${layout.dir} has ${validators.length} validators, not ${options.validators}. Choose another folder with --dir.`,
    );
  }
  const configs: NodeConfig[] = [];
  for (const { id } of validators) {
    // Not the environment's variables: they are for a single validator.
    const config = await loadNodeConfig(layout.validatorConfig(id), {});
    if (!config.ok) throw config.error;
    configs.push(config.value);
  }
  return { layout, genesis: genesis.value, configs, created: !exists };
}
