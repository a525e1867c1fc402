import { asStateKey, toHex, type Hash, type Height, type StateKey } from '../types/index.js';

/** Keys of the state. Ids hold no '/', so that no two records share a key. */
export const stateKeys = {
  member: (member: string): StateKey => asStateKey(`member/${member}`),
  account: (account: string): StateKey => asStateKey(`account/${account}`),
  asset: (asset: string): StateKey => asStateKey(`asset/${asset}`),
  supply: (asset: string): StateKey => asStateKey(`supply/${asset}`),
  balance: (account: string, asset: string): StateKey => asStateKey(`balance/${account}/${asset}`),
  applied: (height: Height): StateKey => asStateKey(`applied/${height.toString()}`),
  parameters: asStateKey('parameters'),
  /** Set that decides the next height. */
  currentValidators: asStateKey('validators/current'),
  /** Decided set that waits for its height. */
  scheduledValidators: asStateKey('validators/scheduled'),
  epochValidators: (epoch: number): StateKey => asStateKey(`validators/epoch/${epoch.toString()}`),
  validatorSetProposal: (validator: string): StateKey => asStateKey(`validators/proposal/${validator}`),
  hold: (account: string, hold: string): StateKey => asStateKey(`hold/${account}/${hold}`),
  governance: asStateKey('governance'),
  /** By the id of the proposal. */
  changeProposal: (id: Hash): StateKey => asStateKey(`proposal/${toHex(id)}`),
} as const;

/** Ids of the validator sets that operations read. */
export const validatorSetIds = { current: 'current', scheduled: 'scheduled' } as const;

/** Id of a hold among the holds. */
export const holdIdOf = (account: string, hold: string): string => `${account}/${hold}`;

/** Id of a balance among the balances. */
export const balanceId = (account: string, asset: string): string => `${account}/${asset}`;
