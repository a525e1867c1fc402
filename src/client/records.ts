/** Records of the state, each proven to be there, or not to be, under a certified state root. */
import {
  decodeChangeProposal,
  decodeGovernance,
  decodeHold,
  type ChangeProposal,
  type Governance,
  type Hold,
} from '../codec/index.js';
import { stateProofFromWire } from '../codec/wire-convert.js';
import type { GetStateResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetStateResponse.js';
import { firstGovernance, stateKeys } from '../ledger/index.js';
import type { Hash, Height, Result, StateKey } from '../types/index.js';
import type { CallOptions } from './call-options.js';
import { VerificationError } from './errors.js';
import { wellFormed } from './reads.js';
import type { Verifier } from './verifier.js';

/** Values of records at one height. */
export interface StateRecords {
  readonly height: Height;
  /** Ledger time of that height. */
  readonly timeMs: number;
  /** In the order of the keys; undefined where there is no record. */
  readonly values: readonly (Uint8Array | undefined)[];
}

/** A record at a height; undefined when there is none. */
export interface StateRecord<T> {
  readonly height: Height;
  readonly timeMs: number;
  readonly value: T;
}

/** What records are read through: a QuaestorClient. */
export interface StateReads {
  getState(keys: readonly StateKey[], options?: GetStateOptions): Promise<StateRecords>;
}

/** Options of reading records. */
export interface GetStateOptions extends CallOptions {
  /** The latest when left out. */
  readonly height?: Height;
}

/** Checks the proofs of an answer to GetState. */
export async function provenRecords(
  verifier: Verifier,
  response: GetStateResponse__Output,
  asked: { readonly keys: readonly StateKey[]; readonly height: Height | undefined },
  from: string,
): Promise<StateRecords> {
  const { proofs } = response;
  if (proofs.length !== asked.keys.length) {
    throw new VerificationError(from, 'The answer does not have the proofs that were asked for.');
  }
  const values: (Uint8Array | undefined)[] = [];
  let place: Omit<StateRecords, 'values'> | undefined;
  for (const [index, wire] of proofs.entries()) {
    const proof = wellFormed(stateProofFromWire(wire), 'A state proof', from);
    const { value, height, timeMs } = await verifier.state(proof, asked.keys[index] ?? '', from);
    place ??= { height, timeMs };
    if (height !== place.height || height !== (asked.height ?? response.height)) {
      throw new VerificationError(from, 'The proofs are not all of the height that was asked for.');
    }
    values.push(value);
  }
  if (place === undefined) throw new RangeError('No key was asked for.');
  return { ...place, values };
}

/** The version of the ledger's rules in force at the next height, and the changes that are decided and wait. */
export async function readGovernance(
  client: StateReads,
  options: GetStateOptions = {},
): Promise<StateRecord<Governance>> {
  const { value, ...place } = await readRecord(client, stateKeys.governance, decodeGovernance, options);
  return { ...place, value: value ?? firstGovernance };
}

/** A proposed change with its tally, by the id of the proposal. */
export function readChangeProposal(
  client: StateReads,
  id: Hash,
  options: GetStateOptions = {},
): Promise<StateRecord<ChangeProposal | undefined>> {
  return readRecord(client, stateKeys.changeProposal(id), decodeChangeProposal, options);
}

/** An open hold of an account. */
export function readHold(
  client: StateReads,
  account: string,
  holdId: string,
  options: GetStateOptions = {},
): Promise<StateRecord<Hold | undefined>> {
  return readRecord(client, stateKeys.hold(account, holdId), decodeHold, options);
}

async function readRecord<T>(
  client: StateReads,
  key: StateKey,
  decode: (bytes: Uint8Array) => Result<T, Error>,
  options: GetStateOptions,
): Promise<StateRecord<T | undefined>> {
  const { height, timeMs, values } = await client.getState([key], options);
  const [bytes] = values;
  const value = bytes === undefined ? undefined : wellFormed(decode(bytes), `"${key}"`, 'the state');
  return { height, timeMs, value };
}
