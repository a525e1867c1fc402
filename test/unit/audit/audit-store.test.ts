import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { auditStore, type AuditReport, type Finding } from '../../../src/audit/index.js';
import { encodeEvidence, firstValidatorSet, type SignedVote } from '../../../src/codec/index.js';
import { validatorSetHash, voteSigningBytes } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { keySpaces, openStore, type KeySpace } from '../../../src/storage/index.js';
import {
  asDigest,
  asHeight,
  asValidatorIndex,
  asView,
  equalBytes,
  type Result,
} from '../../../src/types/index.js';
import { asEvidence } from '../../../src/verify/index.js';
import { ExecutedChain } from '../../helpers/executed-chain.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { temporaryFolder } from '../../helpers/stores.js';
import { addRecord, flipped, tamper, withChecksum } from '../../helpers/tamper.js';

const blocks = 16;
const { genesis, validatorKeys } = testGenesis(4);
const chainId = genesisChainId(genesis);
let original: string;
const folders: string[] = [];

async function folder(): Promise<string> {
  const dir = await temporaryFolder();
  folders.push(dir);
  return dir;
}

async function open(dir: string) {
  const opened = await openStore({ dir, engine: 'leveldb', chainId, validator: 'v1', createIfMissing: true });
  if (!opened.ok) throw opened.error;
  return opened.value;
}

/** Validator 2 commits two blocks of one height and view. */
function equivocation() {
  const setHash = validatorSetHash(firstValidatorSet(genesis.validators));
  const vote = (byte: number): SignedVote => {
    const place = { view: asView(0), height: asHeight(3), digest: asDigest(new Uint8Array(32).fill(byte)) };
    const message = voteSigningBytes({ chainId, validatorSetHash: setHash, phase: 'commit', ...place });
    return {
      ...place,
      signature: { validator: asValidatorIndex(2), signature: validatorKeys[2]!.signNow(message) },
    };
  };
  return asEvidence(setHash, 'commit', vote(1), vote(2));
}

const isOf =
  ({ prefix }: KeySpace) =>
  (key: Uint8Array): boolean =>
    key[0] === prefix;

const audit = (
  storeDir: string,
  workDir: string,
  more: Partial<Parameters<typeof auditStore>[0]> = {},
): Promise<Result<AuditReport, Finding>> =>
  auditStore({
    genesis,
    storeDir,
    workDir,
    threads: 0,
    signal: new AbortController().signal,
    progressed: () => undefined,
    ...more,
  });

beforeAll(async () => {
  original = await temporaryFolder();
  const store = await open(original);
  const chain = await ExecutedChain.create({
    store,
    genesis,
    keys: validatorKeys,
    transactionsPerBlock: 3,
    payee: (number) => (number % 2 === 0 ? 'B1' : 'B2'),
  });
  await chain.append(blocks);
  await store.putEvidence('first', encodeEvidence(equivocation()));
  await store.close();
});

afterAll(() => rm(original, { recursive: true, force: true }));

afterEach(async () => {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true });
});

describe('the audit of a store', () => {
  it('holds for a store that nobody changed, and says how much was checked', async () => {
    const found = await audit(original, await folder());
    expect(found).toMatchObject({
      ok: true,
      value: { validator: 'v1', height: blocks, transactions: 3 * blocks, validatorSets: 1, evidence: 1 },
    });
  });

  it('holds where old states were pruned, and finds what was changed in the rest', async () => {
    const dir = await folder();
    await cp(original, dir, { recursive: true });
    const store = await open(dir);
    await store.retain({ blocks: asHeight(0), states: asHeight(10) });
    while (!(await store.prune(1000)).done);
    await store.close();
    expect(await audit(dir, await folder())).toMatchObject({ ok: true, value: { height: blocks } });
    let last: Uint8Array | undefined;
    await tamper(dir, 'leveldb', isOf(keySpaces.version), (value, key) => {
      last = key;
      return value;
    });
    await tamper(dir, 'leveldb', (key) => last !== undefined && equalBytes(key, last), forged);
    expect(await audit(dir, await folder())).toMatchObject({ ok: false, error: { code: 'RECORD_DIFFERS' } });
  });

  it('goes on where it was interrupted', async () => {
    const work = await folder();
    const abort = new AbortController();
    const interrupted = audit(original, work, {
      signal: abort.signal,
      progressed: ({ done }) => {
        if (done === 8) abort.abort(new Error('interrupted'));
      },
    });
    await expect(interrupted).rejects.toThrow('interrupted');
    let first: number | undefined;
    const found = await audit(original, work, {
      progressed: ({ stage, done }) => {
        if (stage === 'blocks') first ??= done;
      },
    });
    expect(found.ok).toBe(true);
    expect(first).toBeGreaterThan(1);
  });

  it('refuses the work of another audit', async () => {
    const short = await folder();
    const store = await open(short);
    await (
      await ExecutedChain.create({ store, genesis, keys: validatorKeys, transactionsPerBlock: 1 })
    ).append(3);
    await store.close();
    const work = await folder();
    expect((await audit(original, work)).ok).toBe(true);
    await expect(audit(short, work)).rejects.toMatchObject({ code: 'WORK_AHEAD' });
  });

  it('says that there is no store', async () => {
    await expect(audit(await folder(), await folder())).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
  });
});

/** Kinds of records that an auditor relies on, with what the finding names. */
const kinds: Partial<Record<keyof typeof keySpaces, RegExp>> = {
  header: /[Bb]lock 7\b/,
  envelopes: /[Bb]lock 7\b/,
  results: /[Bb]lock 7\b/,
  transactionIds: /[Bb]lock 7\b/,
  transaction: /transaction/,
  latest: /latest/,
  version: /version|after block/,
  path: /path/,
  treeNode: /tree/,
  history: /history/,
  evidence: /evidence/,
};
const byHeight: readonly KeySpace[] = [
  keySpaces.header,
  keySpaces.envelopes,
  keySpaces.results,
  keySpaces.transactionIds,
];

describe.each(Object.entries(kinds) as [keyof typeof keySpaces, RegExp][])(
  'a changed record: %s',
  (name, named) => {
    const space = keySpaces[name];
    /** One entry of the kind: of block 7, or the first. */
    const one = (): ((key: Uint8Array) => boolean) => {
      let taken = false;
      return (key) => {
        if (taken || key[0] !== space.prefix || (byHeight.includes(space) && key[6] !== 7)) return false;
        taken = true;
        return true;
      };
    };

    // Evidence is not part of the chain: that it was there can't be known.
    const changes = [
      ['a flipped bit', flipped],
      ['its last byte changed by somebody who mends the checksum', forged],
      ...(name === 'evidence' ? [] : ([['removed', () => undefined]] as const)),
    ] as const;

    it.each(changes)('%s', async (_how, change) => {
      const dir = join(await folder(), 'store');
      await cp(original, dir, { recursive: true });
      expect(await tamper(dir, 'leveldb', one(), change)).toBe(1);
      const found = await audit(dir, await folder());
      expect(found.ok).toBe(false);
      if (!found.ok) expect(found.error.message).toMatch(named);
    });
  },
);

/** Another last byte, under a checksum that holds. */
function forged(value: Uint8Array, key: Uint8Array): Uint8Array {
  const body = value.slice(0, -4);
  const last = body.length - 1;
  body[last] = (body[last] ?? 0) ^ 1;
  return withChecksum(key, body);
}

it('finds a chain whose blocks were decided by nobody', async () => {
  const dir = await folder();
  const store = await open(dir);
  const [first, ...others] = validatorKeys;
  const chain = await ExecutedChain.create({
    store,
    genesis,
    keys: [first!, first!, ...others.slice(1)],
    transactionsPerBlock: 1,
  });
  await chain.append(2);
  await store.close();
  expect(await audit(dir, await folder())).toMatchObject({
    ok: false,
    error: { code: 'NOT_CERTIFIED', height: asHeight(1) },
  });
});

it('finds a record that is too many', async () => {
  const dir = await folder();
  await cp(original, dir, { recursive: true });
  await addRecord(dir, 'leveldb', isOf(keySpaces.latest));
  const found = await audit(dir, await folder());
  expect(found).toMatchObject({ ok: false, error: { code: 'RECORD_DIFFERS' } });
  if (!found.ok) expect(found.error.message).toMatch(/latest value .* does not follow from the blocks/);
});
