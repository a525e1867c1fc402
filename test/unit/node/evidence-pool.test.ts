import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  firstValidatorSet,
  decodeEvidence,
  encodeConsensusMessage,
  encodeEvidence,
  type Evidence,
  type SignedVote,
} from '../../../src/codec/index.js';
import { validatorSetHash, voteSigningBytes, type SignatureCheck } from '../../../src/crypto/index.js';
import { genesisChainId } from '../../../src/ledger/index.js';
import { EvidencePool, readEvidence } from '../../../src/node/evidence-pool.js';
import type { PeerPort } from '../../../src/node/ports.js';
import type { Store } from '../../../src/storage/index.js';
import { MemoryDisk } from '../../../src/storage/index.js';
import {
  asDigest,
  asHeight,
  asSignature,
  asValidatorIndex,
  asView,
  equalBytes,
  type ValidatorIndex,
} from '../../../src/types/index.js';
import { asEvidence, trustGenesis, verifyEvidence } from '../../../src/verify/index.js';
import { patientSettings, startDriverNet } from '../../helpers/driver-net.js';
import { testGenesis } from '../../helpers/fake-ledger.js';
import { checkByOpenSsl } from '../../helpers/signed-chain.js';
import { eventually } from '../../helpers/eventually.js';
import { until } from '../../helpers/until.js';

const { genesis, validatorKeys } = testGenesis(4);
const chainId = genesisChainId(genesis);
const set = firstValidatorSet(genesis.validators);
const setHash = validatorSetHash(set);
const [peer, other] = [1, 2].map(asValidatorIndex) as [ValidatorIndex, ValidatorIndex];

function vote(
  validator: number,
  height: number,
  byte: number,
  phase: 'prepare' | 'commit' = 'commit',
): SignedVote {
  const place = {
    view: asView(0),
    height: asHeight(height),
    digest: asDigest(new Uint8Array(32).fill(byte)),
  };
  const bytes = voteSigningBytes({ chainId, validatorSetHash: setHash, phase, ...place });
  const signature = validatorKeys[validator]!.signNow(bytes);
  return { ...place, signature: { validator: asValidatorIndex(validator), signature } };
}

const proof = (validator: number, height = 1, bytes: readonly [number, number] = [1, 2]): Evidence =>
  asEvidence(setHash, 'commit', vote(validator, height, bytes[0]), vote(validator, height, bytes[1]));

function forged(evidence: Evidence): Evidence {
  const { second } = evidence;
  const signature = asSignature(second.signature.signature.map((byte, at) => (at === 0 ? byte ^ 1 : byte)));
  return { ...evidence, second: { ...second, signature: { ...second.signature, signature } } };
}

describe('the evidence pool', () => {
  const sent: (ValidatorIndex | 'all')[] = [];
  const kept: (ValidatorIndex | undefined)[] = [];
  const refused: string[] = [];
  const stored = new Map<string, Uint8Array>();
  let checks: number;
  let pool: EvidencePool;

  const open = (known: readonly Evidence[] = []): EvidencePool =>
    new EvidencePool(
      {
        ports: {
          store: {
            putEvidence: (key: string, value: Uint8Array) => {
              stored.set(key, value);
              return Promise.resolve();
            },
          } as unknown as Store,
          peers: { sendEvidence: (to: ValidatorIndex | 'all') => sent.push(to) } as unknown as PeerPort,
          verifier: {
            close: () => Promise.resolve(),
            verify: (list: readonly SignatureCheck[]) => {
              checks += list.length;
              return Promise.resolve(
                list.map(({ publicKey, message, signature }) =>
                  checkByOpenSsl(publicKey, message, signature),
                ),
              );
            },
          },
        },
        chainId,
        setOf: (hash) => (equalBytes(hash, setHash) ? set : undefined),
        observer: {
          evidence: (_evidence, from) => kept.push(from),
          evidenceRefused: (_from, reason) => refused.push(reason),
        },
        failed: (error) => {
          throw error;
        },
      },
      known,
    );

  beforeEach(() => {
    for (const list of [sent, kept, refused]) list.length = 0;
    stored.clear();
    checks = 0;
    pool = open();
  });

  it('keeps what holds, stores it and passes it on, once', async () => {
    const bytes = encodeEvidence(proof(3));
    await Promise.all([pool.receive(peer, bytes), pool.receive(other, bytes), pool.receive(other, bytes)]);
    expect(kept).toEqual([peer]);
    expect([...stored.values()]).toEqual([bytes]);
    expect(sent).toEqual(['all']);
    expect(refused).toEqual(['duplicate', 'duplicate']);
    expect(checks).toBe(2);
  });

  it('refuses what proves nothing before it looks at a signature', async () => {
    const same = asEvidence(setHash, 'commit', vote(3, 1, 1), vote(3, 1, 1));
    const { first, second, ...rest } = proof(3);
    await pool.receive(peer, encodeEvidence(same));
    await pool.receive(peer, encodeEvidence({ ...rest, first: second, second: first }));
    await pool.receive(
      peer,
      encodeEvidence({
        ...proof(3),
        validatorSetHash: validatorSetHash(firstValidatorSet([set.validators[0]!])),
      }),
    );
    await pool.receive(peer, new Uint8Array([1, 2, 3]));
    expect(refused).toEqual(['noConflict', 'malformed', 'unknownValidator', 'malformed']);
    expect(checks).toBe(0);
  });

  it('is not kept from the truth by a forgery of it that came first', async () => {
    const real = proof(3);
    await Promise.all([
      pool.receive(peer, encodeEvidence(forged(real))),
      pool.receive(other, encodeEvidence(real)),
    ]);
    expect(refused).toEqual(['unverified']);
    expect(pool.list()).toEqual([decode(encodeEvidence(real))]);
  });

  it('keeps one piece a place, however many votes were signed there', async () => {
    await pool.receive(peer, encodeEvidence(proof(3)));
    await pool.receive(peer, encodeEvidence(proof(3, 1, [3, 4])));
    pool.found(proof(3, 1, [5, 6]));
    expect(pool.size).toBe(1);
    expect(refused).toEqual(['duplicate', 'duplicate']);
  });

  it('is bounded: who equivocates without end fills its own share only', async () => {
    for (let height = 1; height <= 100; height++) pool.found(proof(3, height));
    await pool.receive(peer, encodeEvidence(proof(3, 101)));
    expect([pool.size, stored.size]).toEqual([32, 32]);
    await pool.receive(peer, encodeEvidence(proof(2, 50)));
    expect(pool.size).toBe(33);
    expect(refused.filter((reason) => reason === 'full')).toHaveLength(69);
  });

  it('shows all that it has to who connects, in order, also after a restart', async () => {
    for (const height of [7, 5, 6]) await pool.receive(peer, encodeEvidence(proof(3, height)));
    const again = open([...stored.values()].map(decode));
    sent.length = 0;
    again.greet(other);
    expect(sent).toEqual([other, other, other]);
    expect(again.list().map(({ first }) => first.height)).toEqual([5, 6, 7]);
    again.found(proof(3, 5));
    expect(refused).toEqual(['duplicate']);
  });
});

function decode(bytes: Uint8Array): Evidence {
  const decoded = decodeEvidence(bytes);
  if (!decoded.ok) throw decoded.error;
  return decoded.value;
}

describe('a validator that signs two commits in one place', () => {
  let running: { stop(): Promise<void> } | undefined;
  afterEach(() => running?.stop());

  it('is proven guilty at every correct validator, also at one that was away, and to a third party', async () => {
    const disks = genesis.validators.map(() => new MemoryDisk());
    const net = (running = await startDriverNet(genesis, validatorKeys, disks, patientSettings));
    const [zero, one, two] = net.replicas;
    two!.connected = false;
    // It tells one of them, and no other.
    for (const byte of [1, 2]) {
      const { view, height, digest, signature } = vote(3, 1, byte);
      await zero!.driver.receiveConsensus(
        asValidatorIndex(3),
        encodeConsensusMessage({ kind: 'commit', view, height, digest, signature }),
      );
    }
    await until(() => one!.driver.evidence.size === 1);
    expect(two!.driver.evidence.size).toBe(0);
    two!.connected = true;
    one!.driver.peerConnected(two!.index);
    await until(() => two!.driver.evidence.size === 1);
    const trust = trustGenesis(genesis, { checkSignature: checkByOpenSsl });
    for (const { store } of [zero!, one!, two!]) {
      await eventually('it is stored', async () => (await store.evidence()).length === 1);
      const [piece] = await readEvidence(store);
      const verified = verifyEvidence(trust, piece!);
      expect(verified).toMatchObject({
        ok: true,
        value: { validator: 'v3', phase: 'commit', view: 0, height: 1 },
      });
    }
    // It is a witness, not a fault of the witness: they go on.
    expect(net.replicas.flatMap(({ halts }) => halts)).toEqual([]);
  });
});
