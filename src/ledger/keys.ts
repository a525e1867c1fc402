import { asStateKey, type Height, type StateKey } from '../types/index.js';

/** Keys of the state. Ids hold no '/', so that no two records share a key. */
export const stateKeys = {
  member: (member: string): StateKey => asStateKey(`member/${member}`),
  account: (account: string): StateKey => asStateKey(`account/${account}`),
  asset: (asset: string): StateKey => asStateKey(`asset/${asset}`),
  supply: (asset: string): StateKey => asStateKey(`supply/${asset}`),
  balance: (account: string, asset: string): StateKey => asStateKey(`balance/${account}/${asset}`),
  applied: (height: Height): StateKey => asStateKey(`applied/${height.toString()}`),
  parameters: asStateKey('parameters'),
} as const;

/** Id of a balance among the balances. */
export const balanceId = (account: string, asset: string): string => `${account}/${asset}`;
