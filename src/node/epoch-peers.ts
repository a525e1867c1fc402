import type { PeerStatus, Validator, ValidatorSet } from '../codec/index.js';
import type {
  FetchBlocksOptions,
  FetchedBlock,
  FetchedState,
  FetchStateOptions,
  PeerNetwork,
  PeerValidator,
} from '../network/index.js';
import type { BlockSource } from '../sync/index.js';
import { asValidatorIndex, compareBytes, limits, QuaestorError } from '../types/index.js';
import type { Digest, Hash, PublicKey, ValidatorIndex } from '../types/index.js';
import type { Electorates } from './electorate.js';
import type { PeerPort } from './ports.js';

export interface EpochPeersOptions {
  readonly electorates: Electorates;
  /** Where validators are by this node's configuration, by id: tried before what the ledger says. */
  readonly addresses: ReadonlyMap<string, string>;
}

/**
 * The network as the driver sees it. The network numbers validators once and for all, by id; an index of the driver is
 * a place in the validator set in force. Who was in the set before or is in the scheduled one is connected too: it may
 * still have to finish the old set, or to catch up for the new one.
 */
export class EpochPeers implements PeerPort, BlockSource {
  readonly #addresses: ReadonlyMap<string, string>;
  /** Ids by number on the network. Grows only. */
  readonly #ids: string[] = [];
  #network: PeerNetwork | undefined;
  #electorates: Electorates;

  constructor(options: EpochPeersOptions) {
    this.#addresses = options.addresses;
    this.#electorates = options.electorates;
    this.validators();
  }

  /** Ids of all validators so far, by number on the network. Grows. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Where this sends to from now on. */
  use(network: PeerNetwork): void {
    this.#network = network;
  }

  /** Whom the network takes for a validator now; those that only the configuration knows are followed. */
  validators(): readonly PeerValidator[] {
    const { previous, current, scheduled } = this.#electorates;
    // The scheduled address before the one in force: whoever moves has to be found by the time that it is needed.
    const known = new Map<string, Validator[]>();
    for (const { validators } of [scheduled, current, previous].filter(isSet)) {
      for (const validator of validators) {
        known.set(validator.id, [...(known.get(validator.id) ?? []), validator]);
      }
    }
    for (const id of this.#addresses.keys()) if (!known.has(id)) known.set(id, []);
    return [...known].map(([id, entries]): PeerValidator => {
      const [publicKey, ...otherKeys] = distinctKeys(entries.map((entry) => entry.publicKey));
      const places = [this.#addresses.get(id), ...entries.map((entry) => entry.address)];
      const [address = '', ...otherAddresses] = new Set(places.filter((place) => place !== undefined));
      return { id, index: this.#numberOf(id), publicKey, otherKeys, address, otherAddresses };
    });
  }

  /** Place of a validator of the network in the set in force. */
  placeOf(number: ValidatorIndex): ValidatorIndex | undefined {
    const id = this.#ids[number];
    const place = this.#electorates.current.validators.findIndex((validator) => validator.id === id);
    return place < 0 ? undefined : asValidatorIndex(place);
  }

  /** As `placeOf`; who has no place gets an index beyond all places, good for answers to it and for nothing else. */
  replyTo(number: ValidatorIndex): ValidatorIndex {
    return this.placeOf(number) ?? asValidatorIndex(limits.maxValidators + number);
  }

  electorates(electorates: Electorates): void {
    this.#electorates = electorates;
    this.#network?.setValidators(this.validators());
  }

  sendConsensus(to: ValidatorIndex | 'all', message: Uint8Array): void {
    this.#to(to, (number) => this.#network?.sendConsensus(number, message));
  }

  sendStatus(to: ValidatorIndex | 'all', status: PeerStatus): void {
    this.#to(to, (number) => this.#network?.sendStatus(number, status));
  }

  relayTransactions(envelopes: readonly Uint8Array[]): void {
    this.#network?.relayTransactions(envelopes);
  }

  requestBodies(to: ValidatorIndex, digest: Digest, transactionHashes: readonly Hash[]): void {
    this.#to(to, (number) => {
      if (number !== 'all') this.#network?.requestBodies(number, digest, transactionHashes);
    });
  }

  sendBodies(
    to: ValidatorIndex,
    digest: Digest,
    transactionHashes: readonly Hash[],
    envelopes: readonly Uint8Array[],
  ): void {
    this.#to(to, (number) => {
      if (number !== 'all') this.#network?.sendBodies(number, digest, transactionHashes, envelopes);
    });
  }

  sendEvidence(to: ValidatorIndex | 'all', evidence: Uint8Array): void {
    this.#to(to, (number) => this.#network?.sendEvidence(number, evidence));
  }

  connected(): readonly ValidatorIndex[] {
    const connected = this.#network?.connected() ?? [];
    return connected.map((number) => this.placeOf(number)).filter((place) => place !== undefined);
  }

  fetchBlocks(peer: ValidatorIndex, options: FetchBlocksOptions): AsyncIterable<FetchedBlock> {
    const [network, number] = this.#reach(peer);
    return network.fetchBlocks(number, options);
  }

  fetchState(peer: ValidatorIndex, options: FetchStateOptions): AsyncIterable<FetchedState> {
    const [network, number] = this.#reach(peer);
    return network.fetchState(number, options);
  }

  #reach(peer: ValidatorIndex): readonly [PeerNetwork, ValidatorIndex] {
    const number = this.#numberAt(peer);
    if (number !== undefined && this.#network !== undefined) return [this.#network, number];
    throw new QuaestorError('FETCH_FAILED', 'The validator is not connected any more.');
  }

  #to(to: ValidatorIndex | 'all', send: (number: ValidatorIndex | 'all') => void): void {
    const number = to === 'all' ? to : this.#numberAt(to);
    if (number !== undefined) send(number);
  }

  #numberAt(place: ValidatorIndex): ValidatorIndex | undefined {
    if (place >= limits.maxValidators) return asValidatorIndex(place - limits.maxValidators);
    const id = this.#electorates.current.validators[place]?.id;
    return id === undefined ? undefined : this.#numberOf(id);
  }

  #numberOf(id: string): ValidatorIndex {
    const known = this.#ids.indexOf(id);
    return asValidatorIndex(known >= 0 ? known : this.#ids.push(id) - 1);
  }
}

const isSet = (set: ValidatorSet | undefined): set is ValidatorSet => set !== undefined;

const distinctKeys = (keys: readonly PublicKey[]): readonly PublicKey[] =>
  keys.filter((key, index) => keys.findIndex((other) => compareBytes(other, key) === 0) === index);
