/**
 * Everything of ours that reads bytes or texts of others: files, frames, records, messages. What must hold: nothing is
 * thrown but what the border promises, and what is accepted is no larger than what was read.
 */
import fc from 'fast-check';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodePageToken, encodePageToken } from '../../src/api/page-token.js';
import { ApiError } from '../../src/api/errors.js';
import { decodeErrorInfo, encodeRpcStatus } from '../../src/client/rpc-status.js';
import { uriNames } from '../../src/client/tls.js';
import { CommandError } from '../../src/cli/command-error.js';
import { SubmissionJournal } from '../../src/cli/payments/journal.js';
import { decodeEvidenceBundle, decodeReceipt, decodeStateProof } from '../../src/codec/index.js';
import { loadClientProfile, loadGenesis, loadNodeConfig, loadWorld } from '../../src/config/index.js';
import { decodeLogRecord, encodeLogRecord } from '../../src/consensus/index.js';
import { parseKeystore } from '../../src/crypto/native/keystore-format.js';
import { createAuthority, issueCertificate, readIdentity } from '../../src/network/pki/index.js';
import {
  decodeFetchBlocksRequest,
  decodeFetchedBlock,
  encodeFetchedBlock,
} from '../../src/network/wire/blocks.js';
import {
  decodeConnectMessage,
  encodeFrames,
  encodeHello,
  encodeProof,
} from '../../src/network/wire/connect.js';
import {
  encodeBodiesFrame,
  encodeConsensusFrame,
  encodeEvidenceFrame,
  encodeFetchBodiesFrame,
  encodeStatusFrame,
  encodeTransactionsFrame,
} from '../../src/network/wire/frames.js';
import { frameBodies, unframeBodies } from '../../src/node/body-framing.js';
import { validatePaymentsFile } from '../../src/payments/index.js';
import {
  readHead,
  readHeader,
  readIndexes,
  readLatest,
  readList,
  readLocation,
  transactionIdAt,
} from '../../src/storage/records.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asView,
  equalBytes,
  fromHex,
  QuaestorError,
} from '../../src/types/index.js';
import {
  followSetChanges,
  trustGenesis,
  verifyEvidence,
  verifyReceipt,
  verifyStateProof,
} from '../../src/verify/index.js';
import { messages } from '../unit/codec/messages.js';
import { certifiedChain } from '../helpers/certified-chain.js';
import { logRecords } from '../helpers/log-records.js';
import { readVectors } from '../helpers/vectors.js';
import type { Target } from './fuzzer.js';

interface CanonicalVector {
  readonly name: string;
  readonly message: string;
  readonly canonical: string;
}

const vectors = readVectors<readonly CanonicalVector[]>('encoding/canonical.json');
const samplesOf = (message: string): Uint8Array[] =>
  vectors.filter((vector) => vector.message === message).map(({ canonical }) => fromHex(canonical)!);

/** Number of values in a tree of objects, lists and bytes. */
function countOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1;
  return Object.values(value).reduce<number>((count, item) => count + countOf(item), 1);
}

function expectBounded(what: unknown, inputLength: number): void {
  // Absent fields have values too, at most 15 for each message, which takes two bytes at least.
  const count = countOf(what);
  if (count > 64 + 16 * inputLength) throw new Error(`${inputLength} bytes became ${count} values`);
}

const codecTargets: readonly Target[] = messages.map(({ name, encode, decode, arbitrary }) => ({
  name: `codec ${name}`,
  kind: 'bytes',
  samples: [...samplesOf(name), ...fc.sample(arbitrary, { seed: 1, numRuns: 8 }).map(encode)],
  run(input) {
    const decoded = decode(input);
    if (!decoded.ok) return;
    expectBounded(decoded.value, input.length);
    if (!equalBytes(encode(decoded.value), input)) throw new Error('accepted, but not in its one form');
  },
}));

const digest = asDigest(new Uint8Array(32).fill(9));
const hashes = [asHash(new Uint8Array(32).fill(1)), asHash(new Uint8Array(32).fill(2))];
const { blocks } = certifiedChain(2);

const wireTargets: readonly Target[] = [
  {
    name: 'frames of peers',
    kind: 'bytes',
    maxSize: 64 * 1024,
    samples: [
      encodeHello({
        protocolVersion: 1,
        chainId: asChainId(new Uint8Array(32)),
        validator: 'v1',
        peer: 'v2',
        nonce: new Uint8Array(32),
      }),
      encodeProof(new Uint8Array(64)),
      encodeFrames([
        encodeConsensusFrame(Buffer.from([1, 2, 3])),
        encodeEvidenceFrame(samplesOf('quaestor.peer.v1.Evidence')[0]!),
        encodeTransactionsFrame(samplesOf('quaestor.ledger.v1.TransactionEnvelope')),
        encodeStatusFrame({
          view: asView(3),
          viewChangeInProgress: true,
          committedHeight: asHeight(7),
          stableCheckpointHeight: asHeight(5),
        }),
        encodeFetchBodiesFrame(digest, hashes),
        encodeBodiesFrame(digest, hashes, [Buffer.from([1]), Buffer.from([2, 3])]),
      ]),
    ],
    run(input) {
      const decoded = decodeConnectMessage(Buffer.from(input));
      if (decoded.ok) expectBounded(decoded.value, input.length);
    },
  },
  {
    name: 'blocks of peers',
    kind: 'bytes',
    samples: blocks.map(encodeFetchedBlock),
    run(input) {
      decodeFetchBlocksRequest(Buffer.from(input));
      const decoded = decodeFetchedBlock(Buffer.from(input));
      if (decoded.ok) expectBounded(decoded.value, input.length);
    },
  },
  {
    name: 'error details',
    kind: 'bytes',
    samples: [
      encodeRpcStatus(3, 'no', {
        reason: 'INVALID_FIELD',
        domain: 'quaestor',
        metadata: { field: 'a', b: 'c' },
      }),
    ],
    run(input) {
      expectBounded(decodeErrorInfo(input), input.length);
    },
  },
  {
    name: 'alternative names of certificates',
    kind: 'text',
    samples: ['DNS:localhost, URI:quaestor://net/validator/v1, IP Address:127.0.0.1, URI:"a\\u002cb"'],
    run: (input) => void uriNames(input),
  },
  {
    name: 'page tokens',
    kind: 'text',
    samples: [encodePageToken(['ListAccounts'], { height: asHeight(5), cursor: 'account' })],
    run: (input) => allowing(ApiError, () => decodePageToken(['ListAccounts'], input)),
  },
];

const logSamples = logRecords.map(encodeLogRecord);
const recordTargets: readonly Target[] = [
  {
    name: 'records of the consensus log',
    kind: 'bytes',
    samples: logSamples.map(({ value }) => value),
    run(input) {
      for (const { name, height } of logSamples) decodeLogRecord({ name, height, value: input });
    },
  },
  {
    name: 'bodies in the consensus log',
    kind: 'bytes',
    samples: [frameBodies([Uint8Array.of(1), new Uint8Array(300), new Uint8Array(0)])],
    run: (input) => allowing(QuaestorError, () => unframeBodies(input)),
  },
  {
    name: 'records of the store',
    kind: 'bytes',
    samples: [new Uint8Array(70), Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8, 9)],
    run(input) {
      for (const read of [
        readHead,
        readLatest,
        readLocation,
        readList,
        readIndexes,
        (body: Uint8Array) => readHeader(asHeight(1), body),
        (body: Uint8Array) => transactionIdAt(body, 3),
      ]) {
        // The store turns these into CORRUPT.
        allowing(RangeError, () => expectBounded(read(input), input.length));
      }
    },
  },
];

const validity = { nowMs: Date.UTC(2026, 0, 1), days: 365 };
const { certificatePem } = await issueCertificate(
  await createAuthority('net', validity),
  { identity: { network: 'net', role: 'validator', id: 'v1' }, hosts: ['localhost'] },
  validity,
);

const proofs = readVectors<{
  readonly genesis: string;
}>('encoding/proofs.json');
const genesis = messages
  .find(({ name }) => name === 'quaestor.ledger.v1.Genesis')!
  .decode(fromHex(proofs.genesis)!);
if (!genesis.ok) throw genesis.error;
/** Takes every signature: what is behind the signatures is tried too. */
const gullible = trustGenesis(genesis.value as Parameters<typeof trustGenesis>[0], {
  checkSignature: () => true,
});

const fileTargets: readonly Target[] = [
  {
    name: 'receipt files',
    kind: 'bytes',
    samples: samplesOf('quaestor.ledger.v1.Receipt'),
    run(input) {
      const receipt = decodeReceipt(input);
      if (receipt.ok) verifyReceipt(gullible, receipt.value);
    },
  },
  {
    name: 'state proof files',
    kind: 'bytes',
    samples: samplesOf('quaestor.ledger.v1.StateProof'),
    run(input) {
      const proof = decodeStateProof(input);
      if (proof.ok) verifyStateProof(gullible, proof.value);
    },
  },
  {
    name: 'evidence files',
    kind: 'bytes',
    samples: samplesOf('quaestor.peer.v1.EvidenceBundle'),
    run(input) {
      const bundle = decodeEvidenceBundle(input);
      if (!bundle.ok) return;
      followSetChanges(gullible, bundle.value.setChanges);
      for (const evidence of bundle.value.evidence) {
        const verified = verifyEvidence(gullible, evidence);
        if (!verified.ok) continue;
        // Even who believes every signature is told of no conflict where there is none.
        const { first, second } = evidence;
        const conflict =
          first.view === second.view &&
          first.height === second.height &&
          first.signature.validator === second.signature.validator &&
          !equalBytes(first.digest, second.digest);
        if (!conflict) throw new Error('an innocent validator is accused');
      }
    },
  },
  {
    name: 'key files',
    kind: 'text',
    samples: [
      JSON.stringify({
        format: 'quaestor-keystore',
        version: 1,
        kdf: { name: 'scrypt', n: 32768, r: 8, p: 3, salt: '00'.repeat(32) },
        cipher: {
          name: 'aes-256-gcm',
          nonce: '00'.repeat(12),
          ciphertext: '00'.repeat(32),
          tag: '00'.repeat(16),
        },
        publicKey: '00'.repeat(32),
      }),
    ],
    run: (input) => void parseKeystore(input),
  },
  {
    name: 'certificates',
    kind: 'bytes',
    cost: 4,
    samples: [new X509Certificate(certificatePem).raw],
    run: (input) => void readIdentity(input),
  },
];

const folder = mkdtempSync(join(tmpdir(), 'quaestor-fuzz-'));
const config = (name: string): string =>
  readFileSync(new URL(`../../configs/${name}`, import.meta.url), 'utf8');

/** Runs a reader of files on a text. */
function fileTarget(
  name: string,
  file: string,
  samples: readonly string[],
  read: (path: string) => Promise<unknown>,
): Target {
  const path = join(folder, file);
  return {
    name,
    kind: 'text',
    cost: 20,
    maxSize: 8 * 1024,
    samples,
    async run(input) {
      writeFileSync(path, input);
      await read(path);
    },
  };
}

const paymentsTarget = (name: string, samples: readonly string[]): Target => ({
  name,
  kind: 'text',
  cost: 10,
  maxSize: 8 * 1024,
  samples,
  async run(input) {
    const bytes = new TextEncoder().encode(input);
    await validatePaymentsFile(() => pieces(bytes));
  },
});

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 500) {
    yield await Promise.resolve(bytes.subarray(start, start + 500));
  }
}

const chainId = asChainId(new Uint8Array(32));
const textTargets: readonly Target[] = [
  fileTarget('node configuration', 'validator.yaml', [config('validator.yaml')], (path) =>
    loadNodeConfig(path, {}, { checkFiles: false }),
  ),
  fileTarget('genesis files', 'genesis.yaml', [config('genesis.yaml')], (path) => loadGenesis(path)),
  fileTarget('genesis files in JSON', 'genesis.json', ['{"network":"a","validators":[{"id":"v"}]}'], (path) =>
    loadGenesis(path),
  ),
  fileTarget('world files', 'world.yaml', [config('devnet.yaml')], (path) => loadWorld(path)),
  fileTarget(
    'client profiles',
    'profile.yaml',
    [
      'genesis: genesis.yaml\nmember: bank\nvalidators:\n  - { id: v1, address: "localhost:7051" }\n' +
        'tls: { ca: ca.pem, cert: c.pem, key: k.pem }\nkeys: [{ file: a.key, passwordFile: a.password }]\n',
    ],
    (path) => loadClientProfile(path),
  ),
  fileTarget(
    'journals of payments',
    'submissions-0000000000000000.jsonl',
    [
      '{"key":"00ff","endToEndId":"A","envelope":"AAAA"}\n{"settled":"00ff"}\n{"account":"A1","syncedToHeight":7}\n',
    ],
    async () => {
      try {
        const journal = await SubmissionJournal.open(folder, chainId);
        await journal.close();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
      }
    },
  ),
  paymentsTarget('payments in CSV', [config('payments/sample.csv').split('\n').slice(0, 6).join('\n')]),
  paymentsTarget('payments in pain.001', [shortened(config('payments/treasury-2026-11.xml'))]),
];

/** Every target. */
export const targets: readonly Target[] = [
  ...codecTargets,
  ...wireTargets,
  ...recordTargets,
  ...fileTargets,
  ...textTargets,
];

/** Runs something that may throw errors of one kind and no others. */
function allowing(kind: new (...args: never[]) => Error, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
  }
}

/** A file of payments with its first transactions only. */
function shortened(xml: string): string {
  const ends = [...xml.matchAll(/<\/CdtTrfTxInf>/g)].map(({ index }) => index);
  const [, second] = ends;
  const last = ends.at(-1);
  if (second === undefined || last === undefined) return xml;
  return xml.slice(0, second) + xml.slice(last);
}
