/**
 * What an auditor checks on the stores of validators that are stopped: the whole chain, trusting nothing but the genesis.
 * Balances are worked out a second time from the transactions by rules written here, not by the ledger's.
 */
import {
  decodeBalance,
  decodeTransactionEnvelope,
  decodeTransactionPayload,
  decodeValidatorSet,
  encodeBlockHeader,
  type ValidatorSet,
} from '../../src/codec/index.js';
import { headerDigest, StateTree } from '../../src/crypto/index.js';
import { installNativeSha256, verifyZip215Natively } from '../../src/crypto/native/index.js';
import { checkInvariants, genesisHeader, genesisWrites } from '../../src/ledger/index.js';
import { openStore, type Store } from '../../src/storage/index.js';
import { asHeight, equalBytes, toHex, type Height, type StateKey } from '../../src/types/index.js';
import { followHeader, trustGenesis, verifyContent, type CertifiedHeader } from '../../src/verify/index.js';
import type { TestNetwork } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

/** What the store of one validator holds. */
export interface AuditedChain {
  readonly validator: string;
  readonly height: number;
  /** Digest of each height in hexadecimal, from 1. */
  readonly digests: readonly string[];
  /** State root of each height in hexadecimal, from 1. */
  readonly stateRoots: readonly string[];
  /** Every transaction with the height and result of each time that it is on the chain. */
  readonly transactions: ReadonlyMap<string, readonly { readonly height: number; readonly code: string }[]>;
  /** Every transfer, successful or not, in order. */
  readonly transfers: readonly AuditedTransfer[];
  /** What does not hold; empty when all is well. */
  readonly faults: readonly string[];
}

/** A transfer and what became of the transaction that it is an operation of. */
export interface AuditedTransfer {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly code: string;
  readonly height: number;
  readonly index: number;
}

/** Audits the stores of nodes of a network, by default of all validators, whose processes have ended. */
export async function auditStores(
  network: TestNetwork,
  nodes: readonly ValidatorProcess[] = network.validators,
): Promise<readonly AuditedChain[]> {
  installNativeSha256();
  const audited: AuditedChain[] = [];
  for (const { id, storeDir } of nodes) {
    const opened = await openStore({
      dir: storeDir,
      engine: 'auto',
      chainId: network.chainId,
      validator: id,
      createIfMissing: false,
    });
    if (!opened.ok) throw opened.error;
    try {
      audited.push(await auditStore(network, id, opened.value));
    } finally {
      await opened.value.close();
    }
  }
  return audited;
}

const noNodes = {
  readNodes: (keys: readonly Uint8Array[]) => Promise.resolve(keys.map(() => undefined)),
};

/** Root of a state, worked out from all of its records. */
async function rootOf(state: ReadonlyMap<StateKey, Uint8Array>): Promise<Uint8Array> {
  const { root } = await new StateTree({ maxBytes: 0 }).update(noNodes, undefined, asHeight(0), state);
  return root;
}

async function auditStore(network: TestNetwork, validator: string, store: Store): Promise<AuditedChain> {
  const { genesis } = network;
  const faults: string[] = [];
  const height = store.head()?.height ?? asHeight(0);
  const writes = genesisWrites(genesis);
  if (!writes.ok) throw new Error(writes.error.message);
  const first = genesisHeader(genesis, asRoot(await rootOf(definedOf(writes.value))));
  let trust = trustGenesis(genesis, {
    checkSignature: verifyZip215Natively,
    genesisDigest: headerDigest(encodeBlockHeader(first)),
  });
  const balances = new Map(
    genesis.balances.map(({ account, asset, amount }): [string, bigint] => [`${account}/${asset}`, amount]),
  );
  const move = (place: string, change: bigint): void => {
    balances.set(place, (balances.get(place) ?? 0n) + change);
  };
  const digests: string[] = [];
  const stateRoots: string[] = [];
  const transactions = new Map<string, { height: number; code: string }[]>();
  const transfers: AuditedTransfer[] = [];
  let tip: CertifiedHeader | undefined;
  // What the store says of validator sets is believed only where a certified header names it.
  const handovers = await handoversIn(store, height);
  for (let at = 1; at <= height; at++) {
    const block = await store.block(asHeight(at));
    if (block?.certificate === undefined) {
      faults.push(`block ${at} or its certificate is missing`);
      break;
    }
    const { headerBytes, certificate, envelopes, results } = block;
    const nextValidatorSet = handovers.get(at);
    const followed = followHeader(
      trust,
      { header: headerBytes, certificate, ...(nextValidatorSet === undefined ? {} : { nextValidatorSet }) },
      tip,
    );
    if (!followed.ok) {
      faults.push(`block ${at}: ${followed.error.message}`);
      break;
    }
    ({ tip, trust } = followed.value);
    const content = verifyContent(tip, envelopes, results);
    if (!content.ok) {
      faults.push(`block ${at}: ${content.error.message}`);
      break;
    }
    digests.push(toHex(tip.digest));
    stateRoots.push(toHex(tip.header.stateRoot));
    for (const [index, { txId, code }] of content.value.entries()) {
      const id = toHex(txId);
      transactions.set(id, [...(transactions.get(id) ?? []), { height: at, code }]);
      const place = await store.locate(txId);
      if (place?.height !== at || place.index !== index) faults.push(`the index has ${id} elsewhere`);
      for (const operation of operationsOf(envelopes[index]!)) {
        if (operation.kind !== 'transfer') continue;
        const { fromAccount, toAccount, asset, amount } = operation;
        transfers.push({ from: fromAccount, to: toAccount, asset, amount, code, height: at, index });
        if (code !== 'OK') continue;
        move(`${fromAccount}/${asset}`, 0n - amount);
        move(`${toAccount}/${asset}`, amount);
      }
    }
  }
  const state = await wholeState(store, height);
  for (const { message } of checkInvariants(state).violations) faults.push(message);
  const root = tip?.header.stateRoot ?? first.stateRoot;
  if (!equalBytes(await rootOf(state), root))
    faults.push('the records do not add up to the certified state root');
  for (const [place, amount] of balances) {
    const record = state.get(`balance/${place}` as StateKey);
    const decoded = record === undefined ? undefined : decodeBalance(record);
    const held = decoded?.ok === true ? decoded.value.amount : 0n;
    if (held !== amount) faults.push(`${place} holds ${held}; by its transactions it should be ${amount}`);
  }
  return { validator, height, digests, stateRoots, transactions, transfers, faults };
}

const asRoot = (bytes: Uint8Array): ReturnType<typeof genesisHeader>['stateRoot'] =>
  bytes as ReturnType<typeof genesisHeader>['stateRoot'];

function definedOf(writes: ReadonlyMap<StateKey, Uint8Array | undefined>): Map<StateKey, Uint8Array> {
  const defined = new Map<StateKey, Uint8Array>();
  for (const [key, value] of writes) if (value !== undefined) defined.set(key, value);
  return defined;
}

function operationsOf(envelopeBytes: Uint8Array) {
  const envelope = decodeTransactionEnvelope(envelopeBytes);
  if (!envelope.ok) throw envelope.error;
  const payload = decodeTransactionPayload(envelope.value.payload);
  if (!payload.ok) throw payload.error;
  return payload.value.operations;
}

/** The validator sets that the store has, by the height of the last block before each. */
async function handoversIn(store: Store, height: Height): Promise<ReadonlyMap<number, ValidatorSet>> {
  const range = { prefix: 'validators/epoch/', height, limit: 1000 };
  const sets = (await store.stateRange(range)).map(({ value }) => decodeValidatorSet(value));
  return new Map(
    sets.map((set) => {
      if (!set.ok) throw set.error;
      return [set.value.activationHeight - 1, set.value];
    }),
  );
}

async function wholeState(store: Store, height: Height): Promise<Map<StateKey, Uint8Array>> {
  const state = new Map<StateKey, Uint8Array>();
  let after: string | undefined;
  for (;;) {
    const page = await store.stateRange({
      prefix: '',
      height,
      limit: 1000,
      ...(after === undefined ? {} : { after }),
    });
    for (const { key, value } of page) state.set(key, value);
    const last = page.at(-1);
    if (last === undefined) return state;
    after = last.key;
  }
}
