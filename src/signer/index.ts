/**
 * A signer in a process of its own: it holds a validator's key, and signs nothing that contradicts what it has signed
 * before, whatever becomes of the validator (docs/signer.md). And the validator's side of it.
 * Never decides what is right to vote for: that is for the validator.
 */
export { SigningGuard, refusalCodes, type Granted, type RefusalCode, type Refused } from './guard.js';
export { createJournal, Journal } from './journal.js';
export { RemoteSigner, type RemoteSignerOptions } from './remote-signer.js';
export { openHeldKey, type OpenKey } from './held-key.js';
export { initSigner, startSigner, type RunningSignerProcess } from './run.js';
export {
  decodeChanges,
  encodeChanges,
  finalityLag,
  maxHeightsAhead,
  SignedState,
  type Change,
} from './state.js';
