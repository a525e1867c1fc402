/**
 * The institutions change the validators while all goes on: they add, remove and replace some and rotate keys, by the
 * real transactions. Now and then two propose at once, or the primary is cut off at the moment of the switch.
 */
import type { Operation, Validator, ValidatorSet } from '../../src/codec/model.js';
import { validatorSetHash, validatorSetProposalHash } from '../../src/crypto/index.js';
import { asHeight, equalBytes, faultyOf } from '../../src/types/index.js';
import type { Clients, Order } from './clients.js';
import type { VirtualTime } from './clock.js';
import type { Troubles } from './coverage.js';
import { memberOf, validatorKeys } from './genesis.js';
import { machineCount, type SimulationOptions } from './options.js';
import type { Random } from './random.js';
import { idOf, machineOf, quorumFor, type ValidatorSets } from './sets.js';

export interface GovernanceParts {
  readonly options: SimulationOptions;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly sets: ValidatorSets;
  readonly clients: Clients;
  readonly troubles: Troubles;
  readonly troubled: () => boolean;
  readonly note: (text: string) => void;
  /** Cuts a machine off for a while. */
  readonly isolate: (machine: number) => void;
}

interface Change {
  readonly epoch: number;
  readonly proposals: readonly { readonly proposer: string; readonly order: Order }[];
  approvals: readonly Order[] | undefined;
  isolated: boolean;
}

const pollMs = 15;

export class Governance {
  readonly #parts: GovernanceParts;
  #change: Change | undefined;

  constructor(parts: GovernanceParts) {
    this.#parts = parts;
  }

  /** Plans the changes of the whole simulation. */
  plan(): void {
    const { options, time, random } = this.#parts;
    const { changes = 0 } = options.reconfiguration ?? {};
    for (let left = changes; left > 0; left--)
      time.in(random.between(10, options.troubleMs * 0.8), () => {
        if (this.#parts.troubled()) this.#begin();
      });
  }

  /** Whether a change is under way. */
  get busy(): boolean {
    return this.#change !== undefined;
  }

  /** Once the network is calm, a change comes through whatever happened before; payments go on until it has. */
  calm(): void {
    const { options, sets } = this.#parts;
    if ((options.reconfiguration?.changes ?? 0) > 0) this.#insist(sets.current.epoch, 4);
  }

  #insist(epoch: number, attempts: number): void {
    const { sets, clients, time } = this.#parts;
    if (sets.current.epoch > epoch || (attempts === 0 && !this.busy)) return;
    const isNew = !this.busy;
    if (isNew) this.#begin();
    // Blocks are made only of transactions; a slow network is not flooded with them.
    else if (sets.scheduled !== undefined && clients.open === 0) clients.probe();
    time.in(40, () => this.#insist(epoch, isNew ? attempts - 1 : attempts));
  }

  #begin(): void {
    const { sets, random, troubles, note, time } = this.#parts;
    if (this.busy) return;
    const { current: set } = sets;
    const count = random.chance(0.2) ? 2 : 1;
    const proposals = Array.from({ length: count }, () => {
      const proposer = random.pick(set.validators);
      const validators = this.#nextSet(set);
      note(
        `${proposer.id} proposes the validators ${validators.map(({ id, publicKey }) => (equalBytes(publicKey, validatorKeys(machineOf(id))[0].publicKey) ? id : `${id}'`)).join(' ')}`,
      );
      const order = this.#say(proposer, {
        kind: 'proposeValidatorSet',
        validator: proposer.id,
        baseValidatorSetHash: validatorSetHash(set),
        validators,
        notBeforeHeight: asHeight(0),
        expiresHeight: asHeight(1000),
      });
      return { proposer: proposer.id, order };
    });
    troubles.begin('setChange');
    this.#change = { epoch: set.epoch, proposals, approvals: undefined, isolated: false };
    time.in(pollMs, () => this.#poll());
  }

  #poll(): void {
    const { sets, time, troubles } = this.#parts;
    const change = this.#change;
    if (change === undefined) return;
    if (this.#isOver(change)) {
      // What takes over has trouble enough for a moment.
      time.in(100, () => troubles.end('setChange'));
      this.#change = undefined;
      return;
    }
    if (sets.scheduled !== undefined) this.#trouble(change);
    else if (change.approvals === undefined) this.#approve(change);
    time.in(pollMs, () => this.#poll());
  }

  #isOver({ epoch, proposals, approvals }: Change): boolean {
    const { sets } = this.#parts;
    if (sets.current.epoch !== epoch) return true;
    if (sets.scheduled !== undefined) return false;
    const open = [...proposals.map(({ order }) => order), ...(approvals ?? [])];
    return open.every(({ state }) => state !== 'open') && approvals !== undefined;
  }

  /** All the others approve one of the proposals; some of them twice. */
  #approve(change: Change): void {
    const { sets, random } = this.#parts;
    const { current: set } = sets;
    if (change.proposals.some(({ order }) => order.state === 'open')) return;
    const proposers = change.proposals.filter(({ proposer }) => sets.proposalOf(proposer) !== undefined);
    if (proposers.length === 0) {
      change.approvals = [];
      return;
    }
    const { proposer } = random.pick(proposers);
    const proposalHash = validatorSetProposalHash(sets.proposalOf(proposer)!);
    const others = set.validators.filter(({ id }) => id !== proposer);
    const voters = random.chance(0.3) ? others : others.slice(0, quorumFor(set.validators.length) - 1);
    const twice = random.chance(0.2) ? voters.slice(0, 1) : [];
    change.approvals = [...voters, ...twice].map((validator) =>
      this.#say(validator, { kind: 'approveValidatorSet', validator: validator.id, proposer, proposalHash }),
    );
  }

  /** A view change falls on the switch: the primary of either set is not heard for a while. */
  #trouble(change: Change): void {
    const { sets, random, isolate, troubled } = this.#parts;
    if (change.isolated || sets.scheduled === undefined || !troubled()) return;
    change.isolated = true;
    if (random.chance(0.5)) return;
    const { validators } = random.chance(0.5) ? sets.scheduled : sets.current;
    isolate(machineOf(random.chance(0.6) ? validators[0]!.id : random.pick(validators).id));
  }

  #say(validator: Validator, operation: Operation): Order {
    const key = validatorKeys(machineOf(validator.id)).find(({ publicKey }) =>
      equalBytes(publicKey, validator.publicKey),
    );
    return this.#parts.clients.govern(validator.member, operation, key === undefined ? [] : [key]);
  }

  /** Another set, with no more faulty validators than it tolerates. */
  #nextSet(set: ValidatorSet): readonly Validator[] {
    const { options, random } = this.#parts;
    const faulty = new Set(options.byzantine.map(({ index }) => index));
    if (options.faults.oldFolder !== undefined) faulty.add(options.faults.oldFolder.machine);
    const all = Array.from({ length: machineCount(options) - (options.observers ?? 0) }, (_, index) => index);
    for (;;) {
      const size = Math.min(all.length, random.pick([1, 3, 4, 4, 4, 5, 6, 7]));
      const rest = [...all];
      const chosen = Array.from({ length: size }, () => rest.splice(random.below(rest.length), 1)[0]!);
      if (chosen.filter((index) => faulty.has(index)).length > faultyOf(size)) continue;
      const next = chosen.map((index) => this.#validator(set, index));
      const same =
        next.length === set.validators.length &&
        next.every(
          ({ id, publicKey }, place) =>
            set.validators[place]!.id === id && equalBytes(set.validators[place]!.publicKey, publicKey),
        );
      if (!same) return next;
    }
  }

  /** A machine as a validator, with the key that it has, or with its other one. */
  #validator(set: ValidatorSet, index: number): Validator {
    const { random } = this.#parts;
    const [one, other] = validatorKeys(index);
    const before = set.validators.find(({ id }) => id === idOf(index));
    const key = before !== undefined && equalBytes(before.publicKey, other.publicKey) ? other : one;
    const rotated = key === one ? other : one;
    return {
      id: idOf(index),
      member: memberOf(index),
      publicKey: (random.chance(0.2) ? rotated : key).publicKey,
    };
  }
}
