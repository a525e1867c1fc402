/**
 * What must hold of every state: for the tests after each block, and for an audit of a whole store.
 */
import { decodeAppliedBlock, decodeParameters } from '../codec/index.js';
import { DefectError, type StateKey } from '../types/index.js';
import { holdIdOf, stateKeys, validatorSetIds } from './keys.js';
import { changeId } from './operations/change.js';
import { records } from './records.js';

/** One thing that does not hold. */
export interface InvariantViolation {
  readonly code:
    /** A key of no known kind, or bytes that are no record of its kind (a balance of zero or below has none). */
    | 'BAD_RECORD'
    /** A record under the key of another. */
    | 'WRONG_KEY'
    /** A name of something that does not exist. */
    | 'DANGLING_REFERENCE'
    /** Balances and holds of an asset do not add up to issued - burned. */
    | 'NOT_CONSERVED'
    /** The network's parameters, or the supply of an asset, are missing. */
    | 'MISSING_RECORD';
  readonly key: string;
  /** A sentence for people. */
  readonly message: string;
}

/** Totals of one asset. */
export interface AssetTotals {
  readonly issued: bigint;
  readonly burned: bigint;
  /** Sum of all balances and of what is set aside in holds. */
  readonly held: bigint;
}

export interface InvariantReport {
  readonly assets: ReadonlyMap<string, AssetTotals>;
  readonly records: number;
  /** Empty when all is well. */
  readonly violations: readonly InvariantViolation[];
}

interface Reference {
  readonly from: string;
  readonly to: StateKey;
}

/** Goes through a whole state, in any order, and says what does not hold. Keeps ids in memory, not records. */
export function checkInvariants(state: Iterable<readonly [StateKey | string, Uint8Array]>): InvariantReport {
  const survey = new Survey();
  for (const [key, value] of state) survey.add(key, value);
  return survey.finish();
}

/** As `checkInvariants`, of a state that is read as it goes. */
export async function surveyInvariants(
  state: AsyncIterable<readonly [StateKey | string, Uint8Array]>,
): Promise<InvariantReport> {
  const survey = new Survey();
  for await (const [key, value] of state) survey.add(key, value);
  return survey.finish();
}

class Survey {
  readonly #keys = new Set<string>();
  readonly #references: Reference[] = [];
  readonly #supplies = new Map<string, { issued: bigint; burned: bigint }>();
  readonly #held = new Map<string, bigint>();
  readonly #violations: InvariantViolation[] = [];

  add(key: string, value: Uint8Array): void {
    this.#keys.add(key);
    try {
      this.#record(key, value);
    } catch (error) {
      if (!(error instanceof DefectError)) throw error;
      this.#violate('BAD_RECORD', key, error.message);
    }
  }

  finish(): InvariantReport {
    if (!this.#keys.has(stateKeys.parameters)) {
      this.#violate('MISSING_RECORD', stateKeys.parameters, 'The parameters of the network are missing.');
    }
    if (!this.#keys.has(stateKeys.currentValidators)) {
      this.#violate('MISSING_RECORD', stateKeys.currentValidators, 'The validator set is missing.');
    }
    for (const { from, to } of this.#references) {
      if (!this.#keys.has(to)) {
        this.#violate('DANGLING_REFERENCE', from, `"${from}" refers to "${to}", which does not exist.`);
      }
    }
    const assets = new Map<string, AssetTotals>();
    for (const [asset, { issued, burned }] of this.#supplies) {
      const held = this.#held.get(asset) ?? 0n;
      assets.set(asset, { issued, burned, held });
      if (held !== issued - burned) {
        this.#violate(
          'NOT_CONSERVED',
          stateKeys.supply(asset),
          `Balances and holds of "${asset}" add up to ${held.toString()}, but ${issued.toString()} were issued and ${burned.toString()} burned.`,
        );
      }
    }
    return { assets, records: this.#keys.size, violations: this.#violations };
  }

  #record(key: string, value: Uint8Array): void {
    const slash = key.indexOf('/');
    const id = key.slice(slash + 1);
    switch (slash < 0 ? key : key.slice(0, slash)) {
      case 'parameters':
        if (!decodeParameters(value).ok) this.#violate('BAD_RECORD', key, 'The parameters are damaged.');
        break;
      case 'applied':
        if (!decodeAppliedBlock(value).ok || !/^[1-9][0-9]*$/.test(id)) {
          this.#violate('BAD_RECORD', key, `"${key}" is damaged.`);
        }
        break;
      case 'governance':
        records.governance.decode(value, '');
        break;
      case 'proposal':
        this.#named(key, id, changeId(records.changeProposal.decode(value, id).proposal));
        break;
      case 'validators':
        this.#validators(key, id, value);
        break;
      case 'member':
        this.#named(key, id, records.member.decode(value, id).member);
        break;
      case 'account': {
        const account = records.account.decode(value, id);
        this.#named(key, id, account.account);
        this.#refer(key, stateKeys.member(account.owner));
        break;
      }
      case 'asset': {
        const asset = records.asset.decode(value, id);
        this.#named(key, id, asset.asset);
        this.#refer(key, stateKeys.member(asset.issuer));
        this.#refer(key, stateKeys.supply(id));
        break;
      }
      case 'supply':
        this.#refer(key, stateKeys.asset(id));
        this.#supplies.set(id, records.supply.decode(value, id));
        break;
      case 'balance': {
        const middle = id.indexOf('/');
        const asset = id.slice(middle + 1);
        this.#refer(key, stateKeys.account(id.slice(0, Math.max(middle, 0))));
        this.#refer(key, stateKeys.supply(asset));
        const { amount } = records.balance.decode(value, id);
        this.#held.set(asset, (this.#held.get(asset) ?? 0n) + amount);
        break;
      }
      case 'hold': {
        const hold = records.hold.decode(value, id);
        this.#named(key, id, holdIdOf(hold.fromAccount, hold.holdId));
        this.#refer(key, stateKeys.account(hold.fromAccount));
        this.#refer(key, stateKeys.account(hold.toAccount));
        this.#refer(key, stateKeys.member(hold.captor));
        this.#refer(key, stateKeys.supply(hold.asset));
        this.#held.set(hold.asset, (this.#held.get(hold.asset) ?? 0n) + hold.remaining);
        break;
      }
      default:
        this.#violate('BAD_RECORD', key, `"${key}" is no key of the ledger.`);
    }
  }

  #validators(key: string, id: string, value: Uint8Array): void {
    if (id.startsWith('proposal/')) {
      const { proposal } = records.validatorSetProposal.decode(value, id);
      this.#named(key, id.slice('proposal/'.length), proposal.validator);
      return;
    }
    const { validators, epoch } = records.validatorSet.decode(value, id);
    for (const { member } of validators) this.#refer(key, stateKeys.member(member));
    if (id !== validatorSetIds.current && id !== validatorSetIds.scheduled) {
      this.#named(key, id, `epoch/${epoch.toString()}`);
    }
  }

  #named(key: string, id: string, name: string): void {
    if (id !== name) this.#violate('WRONG_KEY', key, `The record "${key}" is that of "${name}".`);
  }

  #refer(from: string, to: StateKey): void {
    this.#references.push({ from, to });
  }

  #violate(code: InvariantViolation['code'], key: string, message: string): void {
    this.#violations.push({ code, key, message });
  }
}
