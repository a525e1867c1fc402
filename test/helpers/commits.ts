/** Builds committed blocks that link to each other, for tests of what stores them. Nothing in them is signed. */
import { encodeBlockHeader, encodeTransactionResult, type CommitCertificate } from '../../src/codec/index.js';
import { headerDigest, sha256 } from '../../src/crypto/index.js';
import type { BlockCommit, Head } from '../../src/storage/index.js';
import {
  asDigest,
  asHash,
  asHeight,
  asSignature,
  asStateKey,
  asTxId,
  asValidatorIndex,
  asView,
  type ChainId,
  type StateKey,
} from '../../src/types/index.js';

const encoder = new TextEncoder();

/** 32 bytes that depend on a text. */
export const hash32 = (text: string) => sha256(encoder.encode(text));

/** Bytes of a text. */
export const textBytes = (text: string) => encoder.encode(text);

export interface CommitSpec {
  /** Transactions of the block; the accounts that each touches. */
  readonly touched?: readonly (readonly string[])[];
  readonly state?: readonly (readonly [string, string | undefined])[];
  readonly treeNodes?: BlockCommit['treeNodes'];
}

/** A block on `parent`, genesis without one. */
export function commitOn(parent: Head | undefined, chainId: ChainId, spec: CommitSpec = {}): BlockCommit {
  const height = asHeight(parent === undefined ? 0 : parent.height + 1);
  const touched = spec.touched ?? [];
  const txIds = touched.map((_, index) => asTxId(hash32(`tx/${height}/${index}`)));
  const headerBytes = encodeBlockHeader({
    version: 1,
    chainId,
    height,
    view: asView(0),
    prevHash: parent?.digest ?? asDigest(new Uint8Array(32)),
    transactionsRoot: asHash(hash32(`transactions/${height}`)),
    resultsRoot: asHash(hash32(`results/${height}`)),
    stateRoot: asHash(hash32(`state/${height}`)),
    validatorSetHash: asHash(hash32('validators')),
    nextValidatorSetHash: asHash(hash32('validators')),
    timeMs: 1_700_000_000_000 + height,
    proposer: asValidatorIndex(0),
    transactionCount: touched.length,
  });
  const digest = headerDigest(headerBytes);
  const certificate: CommitCertificate = {
    view: asView(0),
    height,
    digest,
    signatures: [0, 1, 2].map((index) => ({
      validator: asValidatorIndex(index),
      signature: asSignature(new Uint8Array(64).fill(index + 1)),
    })),
  };
  return {
    block: {
      height,
      digest,
      headerBytes,
      ...(parent === undefined ? {} : { certificate }),
      envelopes: touched.map((_, index) => textBytes(`envelope ${height}/${index}`)),
      results: txIds.map((txId) => encodeTransactionResult({ txId, code: 'OK', failedOperation: 0 })),
    },
    txIds,
    stateWrites: new Map<StateKey, Uint8Array | undefined>(
      (spec.state ?? []).map(([key, value]) => [
        asStateKey(key),
        value === undefined ? undefined : textBytes(value),
      ]),
    ),
    treeNodes: spec.treeNodes ?? [],
    touchedAccounts: touched,
  };
}

/** The head after a block. */
export function headAfter(commit: BlockCommit): Head {
  const { height, digest } = commit.block;
  return { height, digest, stateRoot: asHash(hash32(`state/${height}`)) };
}
