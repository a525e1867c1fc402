import { join } from 'node:path';
import { decodeEvidence, decodeValidatorSet, type Genesis, type ValidatorSet } from '../codec/index.js';
import { validatorSetHash } from '../crypto/index.js';
import { createVerifierPool, installNativeSha256 } from '../crypto/native/index.js';
import type { SignatureVerifier } from '../crypto/types.js';
import { genesisChainId, surveyInvariants, type AssetTotals } from '../ledger/index.js';
import { Parts } from '../node/parts.js';
import { recover } from '../node/recovery.js';
import { openForAudit, storeOwner, type AuditedStore, type Store } from '../storage/index.js';
import {
  asHeight,
  err,
  ok,
  QuaestorError,
  toHex,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type StateKey,
} from '../types/index.js';
import { beginEvidence } from '../verify/index.js';
import { compareRecords } from './compare-records.js';
import { damageOf } from './described-key.js';
import { replay } from './replay.js';
import type { AuditProgress, ChainSource, Finding } from './types.js';

export interface AuditOptions {
  /** All that is believed. */
  readonly genesis: Genesis;
  /** Folder of the store; its node must not run. Opening it may let the engine tidy its files: audit a copy if that matters. */
  readonly storeDir: string;
  /** Folder for the store that is built to compare with: about as large as the audited one. */
  readonly workDir: string;
  /** Threads that check signatures. */
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly progressed: (progress: AuditProgress) => void;
}

/** What holds after an audit without a finding. */
export interface AuditReport {
  /** Whose store it is. */
  readonly validator: string;
  readonly height: Height;
  readonly digest: Digest;
  readonly stateRoot: Hash;
  /** Transactions that were executed in this run; those of an earlier run of the same audit are not counted. */
  readonly transactions: number;
  /** Records of the store that were compared. */
  readonly records: number;
  /** Validator sets up to now. */
  readonly validatorSets: number;
  /** Proofs of equivocation in the store that hold. */
  readonly evidence: number;
  readonly assets: ReadonlyMap<string, AssetTotals>;
}

const page = 1000;

/**
 * Audits a store with nothing but the genesis: replays the chain into a store of its own, compares every record with it,
 * and checks the invariants of the state, the evidence and the consensus log. Gives the report, or what is wrong first.
 * An audit that is interrupted goes on when it is called with the same `workDir`.
 *
 * @throws QuaestorError when the store or the folder for the work can't be opened or the store has no chain to audit.
 */
export async function auditStore(options: AuditOptions): Promise<Result<AuditReport, Finding>> {
  installNativeSha256();
  const parts = new Parts();
  try {
    return await audit(options, parts);
  } catch (error) {
    // The damage that a store finds in its own records, wherever it is noticed.
    const finding = damageOf(error);
    if (finding === undefined) throw error;
    return err(finding);
  } finally {
    await parts.close();
  }
}

async function audit(options: AuditOptions, parts: Parts): Promise<Result<AuditReport, Finding>> {
  const { genesis, storeDir, workDir, threads, signal, progressed } = options;
  const owner = await storeOwner(storeDir);
  if (owner === undefined) {
    throw new QuaestorError(
      'STORE_NOT_FOUND',
      `There is no store in "${storeDir}". Name the folder "store" of a data folder.`,
    );
  }
  const audited = await open(storeDir, owner.validator, genesis, false, parts);
  const { store } = audited;
  const head = store.head();
  if (head === undefined) throw new QuaestorError('STORE_EMPTY', `The store in "${storeDir}" has no block.`);
  if (store.base > 0) {
    throw new QuaestorError(
      'HISTORY_INCOMPLETE',
      `The store in "${storeDir}" begins at height ${store.base}: the blocks before are not there to ` +
        'be executed. Audit the store of a node that has all blocks.',
    );
  }
  const rebuilt = await open(join(workDir, 'store'), 'audit', genesis, true, parts);
  const done = rebuilt.store.head()?.height ?? asHeight(0);
  if (done > head.height) {
    throw new QuaestorError(
      'WORK_AHEAD',
      `The work in "${workDir}" has reached height ${done}, the store in "${storeDir}" ends at ${head.height}: it belongs to ` +
        'another audit. Name another folder for the work.',
    );
  }
  const verifier = createVerifierPool({ threads, maxBatch: 512, cacheEntries: 0 });
  parts.add(() => verifier.close());
  const replayed = await replay({
    genesis,
    source: sourceOf(store, head.height),
    store: rebuilt.store,
    verifier,
    signal,
    progressed,
  });
  if (!replayed.ok) return replayed;
  const transactions = replayed.value;
  let records = 0;
  const compared = (count: number): void => {
    records = count;
    progressed({ stage: 'records', done: count, total: undefined, transactions });
  };
  const difference = await compareRecords(audited, rebuilt, compared, signal);
  if (difference !== undefined) return err(difference);
  let surveyed = 0;
  const invariants = await surveyInvariants(
    wholeState(rebuilt.store, head.height, () => {
      signal.throwIfAborted();
      surveyed++;
      progressed({ stage: 'state', done: surveyed, total: undefined, transactions });
    }),
  );
  const [violation] = invariants.violations;
  if (violation !== undefined) {
    return err({ code: 'INVARIANT_BROKEN', height: head.height, message: violation.message });
  }
  await recover(store, store.chainId, genesis.parameters.validityWindowBlocks);
  const sets = await validatorSets(rebuilt.store, head.height);
  const evidence = await checkEvidence(store, sets, verifier);
  if (!evidence.ok) return evidence;
  return ok({
    validator: owner.validator,
    ...head,
    transactions,
    records,
    validatorSets: sets.size,
    evidence: evidence.value,
    assets: invariants.assets,
  });
}

async function open(
  dir: string,
  validator: string,
  genesis: Genesis,
  createIfMissing: boolean,
  parts: Parts,
): Promise<AuditedStore> {
  const opened = await openForAudit({
    dir,
    engine: 'auto',
    chainId: genesisChainId(genesis),
    validator,
    createIfMissing,
    // An audited store stays as it is.
    migrate: createIfMissing,
  });
  if (!opened.ok) throw opened.error;
  parts.add(() => opened.value.store.close());
  return opened.value;
}

function sourceOf(store: Store, head: Height): ChainSource {
  return {
    head,
    async *blocks(from) {
      for (let height: number = from; height <= head; height++) {
        const block = await store.block(asHeight(height));
        if (block === undefined) return;
        yield block;
      }
    },
  };
}

/** All records of a state whose keys start with a text. */
async function* recordsOf(
  store: Store,
  prefix: string,
  height: Height,
): AsyncGenerator<readonly [StateKey, Uint8Array]> {
  let after = '';
  for (;;) {
    const found = await store.stateRange({ prefix, height, limit: page, after });
    for (const { key, value } of found) yield [key, value];
    const last = found.at(-1);
    if (last === undefined) return;
    after = last.key;
  }
}

/** Every record of a state; `read` is called after each. */
async function* wholeState(
  store: Store,
  height: Height,
  read: () => void,
): AsyncGenerator<readonly [StateKey, Uint8Array]> {
  for await (const record of recordsOf(store, '', height)) {
    yield record;
    read();
  }
}

/** Every validator set of the chain by its hash in hexadecimal. */
async function validatorSets(store: Store, height: Height): Promise<ReadonlyMap<string, ValidatorSet>> {
  const sets = new Map<string, ValidatorSet>();
  for await (const [, value] of recordsOf(store, 'validators/epoch/', height)) {
    const set = decodeValidatorSet(value);
    if (set.ok) sets.set(toHex(validatorSetHash(set.value)), set.value);
  }
  return sets;
}

async function checkEvidence(
  store: Store,
  sets: ReadonlyMap<string, ValidatorSet>,
  verifier: SignatureVerifier,
): Promise<Result<number, Finding>> {
  const kept = await store.evidence();
  for (const { key, value } of kept) {
    const invalid = (why: string): Result<number, Finding> =>
      err({
        code: 'EVIDENCE_INVALID',
        height: undefined,
        message: `The evidence "${key}" proves nothing: ${why}`,
      });
    const decoded = decodeEvidence(value);
    if (!decoded.ok) return invalid(decoded.error.message);
    const begun = beginEvidence(decoded.value, store.chainId, (hash) => sets.get(toHex(hash)));
    if (!begun.ok) return invalid(begun.error.message);
    if (!(await verifier.verify(begun.value.checks)).every(Boolean))
      return invalid('a signature does not hold.');
  }
  return ok(kept.length);
}
