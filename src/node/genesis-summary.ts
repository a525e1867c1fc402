import type { Genesis } from '../codec/index.js';
import { genesisChainId } from '../ledger/index.js';
import type { ChainId } from '../types/index.js';

/** What a node keeps of a genesis, which may name very many accounts. */
export interface GenesisSummary extends Pick<Genesis, 'network' | 'validators' | 'parameters'> {
  readonly chainId: ChainId;
}

/** The part of a genesis that a node keeps. */
export function summaryOf(genesis: Genesis | GenesisSummary): GenesisSummary {
  const { network, validators, parameters } = genesis;
  const chainId = 'chainId' in genesis ? genesis.chainId : genesisChainId(genesis);
  return { network, validators, parameters, chainId };
}
