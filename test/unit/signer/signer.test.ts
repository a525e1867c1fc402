/** A signer and validators that call it, over mTLS and on a real disk: what is signed, what is refused, what survives. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClassicLevel } from 'classic-level';
import { firstValidatorSet } from '../../../src/codec/index.js';
import {
  checkpointSigningBytes,
  sha256,
  validatorSetHash,
  verifyZip215,
  viewChangeSigningBytes,
  voteSigningBytes,
} from '../../../src/crypto/index.js';
import { encodeViewChange, type VotePhase } from '../../../src/codec/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import {
  asDigest,
  asHeight,
  asValidatorIndex,
  asView,
  type QuaestorError,
} from '../../../src/types/index.js';
import { eventually } from '../../helpers/eventually.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { SignerPlace } from '../../helpers/signers.js';

const { genesis } = testGenesis(4);
const seed = Buffer.alloc(32);
seed.write('validator 0');
const chainId = genesisChainId(genesis);
const setHash = validatorSetHash(firstValidatorSet(genesis.validators));

const digestOf = (name: string) => asDigest(sha256(new TextEncoder().encode(name)));
const vote = (phase: VotePhase, view: number, height: number, block = 'a'): Uint8Array =>
  voteSigningBytes({
    chainId,
    validatorSetHash: setHash,
    phase,
    view: asView(view),
    height: asHeight(height),
    digest: digestOf(block),
  });
const viewChange = (view: number): Uint8Array =>
  viewChangeSigningBytes(
    encodeViewChange({
      chainId,
      validatorSetHash: setHash,
      view: asView(view),
      validator: asValidatorIndex(0),
      prepared: [],
    }),
  );
const refusal = (code: string) => ({ code: 'SIGNER_REFUSED', details: { refusal: code } });

let place: SignerPlace;
beforeEach(async () => {
  place = await SignerPlace.make(genesis, seed);
});
afterEach(() => place.close());

describe('a signer', () => {
  it('signs what contradicts nothing, also again, and refuses what does, also after a restart', async () => {
    await place.init();
    await place.start();
    const remote = await place.connect();
    const first = await remote.sign(vote('prePrepare', 0, 1));
    expect(verifyZip215(place.publicKey, vote('prePrepare', 0, 1), first)).toBe(true);
    expect(await remote.sign(vote('prePrepare', 0, 1))).toEqual(first);
    await expect(remote.sign(vote('prePrepare', 0, 1, 'b'))).rejects.toMatchObject(refusal('CONFLICT'));
    await expect(remote.sign(vote('commit', 0, 1, 'b'))).rejects.toMatchObject(refusal('CONFLICT'));
    await expect(remote.sign(vote('prepare', 0, 1))).rejects.toMatchObject(refusal('WRONG_ROLE'));
    await remote.sign(vote('commit', 0, 1));
    await place.stop();
    await place.start();
    await eventually('it is back', () => remote.ready);
    await expect(remote.sign(vote('prePrepare', 0, 1, 'b'))).rejects.toMatchObject(refusal('CONFLICT'));
    await expect(remote.sign(viewChange(1))).rejects.toMatchObject(refusal('HIDES_COMMIT'));
    await expect(remote.sign(vote('prepare', 1, 2))).resolves.toHaveLength(64);
    await expect(remote.sign(vote('prePrepare', 0, 3))).rejects.toMatchObject(refusal('VIEW_LEFT'));
    expect(place.refused).toHaveLength(6);
    expect(place.lines.join('')).toMatch(/"code":"SIGNER_REFUSED","refusal":"CONFLICT","kind":"vote"/);
  });

  it('refuses two validators with one key what they contradict each other in', async () => {
    await place.init();
    await place.start();
    const [one, other] = await Promise.all([place.connect(), place.connect()]);
    const asked = Array.from({ length: 40 }, (_, index) =>
      [one, other].map((twin, at) => twin.sign(vote('prePrepare', 0, 1 + index, at === 0 ? 'a' : 'b'))),
    );
    for (const pair of asked) {
      const outcomes = await Promise.allSettled(pair);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    }
  });

  it('is not asked by anybody but its validator, and not used when it is another', async () => {
    await place.init();
    await place.start();
    const strangers = [
      await place.issue('validator', 'v1'),
      await place.issue('operator', 'v0'),
      await place.issue('signer', 'v0'),
    ];
    for (const tls of strangers) {
      const remote = await place.connect(tls, undefined, false);
      await eventually('it is refused', () =>
        place.reasons.some((reason) => /This signer serves validator "v0"/.test(reason)),
      );
      expect(remote.ready).toBe(false);
    }
    await place.connect(undefined, genesis.validators[1]!.publicKey, false);
    await eventually('the key is wrong', () => place.reasons.some((reason) => /it holds key/.test(reason)));
  });

  it('speaks with a newer validator what both know, and says both versions when there is nothing', async () => {
    await place.init();
    await place.start();
    const newer = await place.connect(undefined, undefined, true, { oldest: 1, newest: 4 });
    await newer.sign(vote('prePrepare', 0, 1));
    const tooNew = await place.connect(undefined, undefined, false, { oldest: 3, newest: 4 });
    await eventually('it is told why', () =>
      place.reasons.some((reason) =>
        /speaks version 3-4 of the signer protocol, the signer 1: the signer has to be upgraded/.test(reason),
      ),
    );
    expect(tooNew.ready).toBe(false);
  });

  it('that is away holds up what is asked, and answers it when it is back', async () => {
    await place.init();
    await place.start();
    const remote = await place.connect();
    await place.stop();
    await eventually('that is noticed', () => !remote.ready);
    const asked = [1, 2, 3].map((height) => remote.sign(vote('prePrepare', 0, height)));
    await place.start();
    const signatures = await Promise.all(asked);
    expect(verifyZip215(place.publicKey, vote('prePrepare', 0, 3), signatures[2]!)).toBe(true);
  });

  it('signs statements of its chain, of its validator set, and no other bytes', async () => {
    await place.init();
    await place.start();
    const remote = await place.connect();
    const other = { chainId, validatorSetHash: setHash, height: asHeight(10), digest: digestOf('a') };
    await remote.sign(checkpointSigningBytes(other));
    await expect(
      remote.sign(checkpointSigningBytes({ ...other, digest: digestOf('b') })),
    ).rejects.toMatchObject(refusal('CONFLICT'));
    await expect(
      remote.sign(checkpointSigningBytes({ ...other, chainId: digestOf('x') as never })),
    ).rejects.toMatchObject(refusal('WRONG_CHAIN'));
    await expect(
      remote.sign(checkpointSigningBytes({ ...other, validatorSetHash: digestOf('x') as never })),
    ).rejects.toMatchObject(refusal('WRONG_VALIDATOR_SET'));
    await expect(remote.sign(vote('prePrepare', 0, 10_000))).rejects.toMatchObject(refusal('TOO_FAR_AHEAD'));
    await expect(remote.sign(new Uint8Array(200))).rejects.toMatchObject({ code: 'DEFECT' });
  });
});

describe('the memory of a signer', () => {
  const failure = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: unknown) => (error as QuaestorError).code,
    );

  it('is made once, belongs to one key, and is used by one process', async () => {
    expect(await failure(place.start())).toBe('SIGNER_STATE_MISSING');
    await place.init();
    expect(await failure(place.init())).toBe('SIGNER_STATE_EXISTS');
    await place.start();
    const { process } = place;
    expect(await failure(place.start())).toBe('SIGNER_STATE_LOCKED');
    await process!.stop();
    const foreign = await SignerPlace.make(testGenesis(5).genesis, seed);
    foreign.config = { ...foreign.config, stateDir: place.config.stateDir };
    expect(await failure(foreign.start())).toBe('SIGNER_STATE_FOREIGN');
    await foreign.close();
  });

  it('that starts above a height signs nothing up to it', async () => {
    await place.init({ height: 100, view: 3 });
    await place.start();
    const remote = await place.connect();
    await expect(remote.sign(vote('prepare', 3, 100))).rejects.toMatchObject(refusal('ALREADY_FINAL'));
    await expect(remote.sign(vote('prePrepare', 0, 101))).rejects.toMatchObject(refusal('VIEW_LEFT'));
    await expect(remote.sign(viewChange(4))).rejects.toMatchObject(refusal('HIDES_FINALITY'));
    await expect(remote.sign(vote('prepare', 3, 101))).resolves.toHaveLength(64);
  });

  it('that lacks an entry, or has another in its place, is not used', async () => {
    await place.init();
    await place.start();
    const remote = await place.connect();
    for (const height of [1, 2, 3]) await remote.sign(vote('prePrepare', 0, height));
    await place.stop();
    const db = new ClassicLevel<string, Uint8Array>(place.config.stateDir, { valueEncoding: 'view' });
    const [first, second] = await db.keys({ gte: 'entry/', lt: 'entry0' }).all();
    const kept = await db.get(second!);
    await db.del(second!);
    await db.close();
    expect(await failure(place.start())).toBe('SIGNER_STATE_CORRUPT');
    await db.open();
    await db.put(second!, (await db.get(first!))!);
    await db.close();
    expect(await failure(place.start())).toBe('SIGNER_STATE_CORRUPT');
    await db.open();
    await db.put(second!, kept!);
    await db.close();
    await place.start();
  });

  it('that later software wrote is refused as that, and not taken for damaged', async () => {
    await place.init();
    const db = new ClassicLevel<string, Uint8Array>(place.config.stateDir, { valueEncoding: 'view' });
    const owner = (await db.get('owner'))!;
    const later = Buffer.from(Buffer.from(owner.subarray(32)).toString().replace('"format":1', '"format":2'));
    await db.put('owner', Buffer.concat([sha256(later), later]));
    await db.close();
    expect(await failure(place.start())).toBe('SIGNER_STATE_TOO_NEW');
    await db.open();
    await db.put('owner', owner);
    await db.close();
    await place.start();
  });
});
