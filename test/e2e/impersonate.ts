/** Somebody who has all that a validator has, and keeps to no rules. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { encodeBlockHeader, encodeConsensusMessage, firstValidatorSet } from '../../src/codec/index.js';
import { loadNodeConfig } from '../../src/config/index.js';
import { openConfiguredKey } from '../helpers/configured-key.js';
import {
  headerDigest,
  merkleLeafHash,
  merkleRoot,
  validatorSetHash,
  voteSigningBytes,
  type Signer,
} from '../../src/crypto/index.js';
import { encodeFrames } from '../../src/network/wire/connect.js';
import { encodeConsensusFrame } from '../../src/network/wire/frames.js';
import {
  asDigest,
  asHash,
  asValidatorIndex,
  asView,
  type Digest,
  type Height,
} from '../../src/types/index.js';
import { contextOf, rawDial, rawHandshake, type RawCall } from '../helpers/raw-peer.js';
import type { TestNetwork } from './network.js';
import type { ValidatorProcess } from './validator-process.js';

export interface Impersonation {
  readonly raw: RawCall;
  readonly signer: Signer;
}

/** A connection to `victim` with certificate and key of `culprit`, which does not run. Close `raw` in the end. */
export async function impersonate(
  { chainId }: TestNetwork,
  culprit: ValidatorProcess,
  victim: ValidatorProcess,
): Promise<Impersonation> {
  const loaded = await loadNodeConfig(culprit.config, {});
  if (!loaded.ok) throw loaded.error;
  const { tls, key } = loaded.value;
  const [caPem, certificatePem, privateKeyPem] = (await Promise.all(
    [tls.peer.ca, tls.peer.cert, tls.peer.key].map((file) => readFile(file, 'utf8')),
  )) as [string, string, string];
  const signer = await openConfiguredKey(key);
  const raw = rawDial(victim.ports.peer, contextOf({ caPem, certificatePem, privateKeyPem }));
  await rawHandshake(raw, new X509Certificate(certificatePem).raw, {
    chainId,
    validator: culprit.id,
    peer: victim.id,
    signer,
  });
  return { raw, signer };
}

/** Sends a commit of view 0 for a digest that consists of one byte's repetition; `broken`: with a signature that does
 * not hold. */
export async function sendCommit(
  { genesis, chainId }: TestNetwork,
  { raw, signer }: Impersonation,
  vote: {
    readonly index: number;
    readonly height: Height;
    readonly byte: number;
    readonly view?: number;
    readonly broken?: boolean;
  },
): Promise<void> {
  const view = asView(vote.view ?? 0);
  const { height } = vote;
  const digest = asDigest(new Uint8Array(32).fill(vote.byte));
  const statement = {
    chainId,
    validatorSetHash: validatorSetHash(firstValidatorSet(genesis.validators)),
    phase: 'commit' as const,
    view,
    height,
    digest,
  };
  const signed = await signer.sign(voteSigningBytes(statement));
  const signature = vote.broken === true ? new Uint8Array(signed.length).fill(7) : signed;
  const message = encodeConsensusMessage({
    kind: 'commit',
    view,
    height,
    digest,
    signature: { validator: asValidatorIndex(vote.index), signature: signature as typeof signed },
  });
  raw.call.write(encodeFrames([encodeConsensusFrame(message)]));
}

/** Proposes a block with one transaction, whose results and state are not those of its execution. */
export async function proposeFalseBlock(
  { genesis, chainId }: TestNetwork,
  { raw, signer }: Impersonation,
  block: {
    readonly proposer: number;
    readonly view: number;
    readonly height: Height;
    readonly parent: Digest;
    /** Canonical envelope that the receiver has. */
    readonly envelope: Uint8Array;
  },
): Promise<void> {
  const set = validatorSetHash(firstValidatorSet(genesis.validators));
  const proposer = asValidatorIndex(block.proposer);
  const view = asView(block.view);
  const { height } = block;
  const leaf = merkleLeafHash(block.envelope);
  const header = encodeBlockHeader({
    version: 1,
    chainId,
    height,
    view,
    prevHash: block.parent,
    transactionsRoot: merkleRoot([leaf]),
    resultsRoot: asHash(new Uint8Array(32).fill(1)),
    stateRoot: asHash(new Uint8Array(32).fill(2)),
    validatorSetHash: set,
    nextValidatorSetHash: set,
    timeMs: Date.now(),
    proposer,
    transactionCount: 1,
  });
  const digest = headerDigest(header);
  const statement = { chainId, validatorSetHash: set, phase: 'prePrepare' as const, view, height, digest };
  const message = encodeConsensusMessage({
    kind: 'prePrepare',
    view,
    header,
    transactionHashes: [leaf],
    signature: { validator: proposer, signature: await signer.sign(voteSigningBytes(statement)) },
  });
  raw.call.write(encodeFrames([encodeConsensusFrame(message)]));
}
