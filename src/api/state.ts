/** GetState: records of the state by key, proven. */
import { bounds } from '../codec/index.js';
import { stateProofToWire } from '../codec/wire-convert.js';
import type { GetStateRequest__Output } from '../codec/wire/quaestor/ledger/v1/GetStateRequest.js';
import type { GetStateResponse } from '../codec/wire/quaestor/ledger/v1/GetStateResponse.js';
import { asStateKey } from '../types/index.js';
import { invalidField } from './errors.js';
import type { ReadPort } from './ports.js';
import { heightToRead } from './reads.js';

/** Most keys of one call. */
const maxKeys = 64;

export async function getState(reads: ReadPort, request: GetStateRequest__Output): Promise<GetStateResponse> {
  const { keys } = request;
  if (keys.length === 0 || keys.length > maxKeys) {
    throw invalidField('keys', `1 to ${maxKeys} can be asked for.`);
  }
  if (!keys.every((key) => key !== '' && new TextEncoder().encode(key).length <= bounds.maxStateKeyBytes)) {
    throw invalidField('keys', `a key has 1 to ${bounds.maxStateKeyBytes} bytes.`);
  }
  const height = heightToRead(reads, request.height);
  const proofs = await reads.prove(keys.map(asStateKey), height);
  return { height, proofs: proofs.map(stateProofToWire) };
}
