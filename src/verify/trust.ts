import { firstValidatorSet, encodeGenesis, type Genesis, type ValidatorSet } from '../codec/index.js';
import { chainIdOf, validatorSetHash, verifyZip215 } from '../crypto/index.js';
import { equalBytes, type ChainId, type Digest, type Hash } from '../types/index.js';
import type { CertifiedHeader } from './certified-header.js';

/** Whether an Ed25519 signature holds under ZIP-215. False, never an exception, for input of any form. */
export type SignatureCheckFunction = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

/** A validator set and the heights that it decides. */
export interface TrustedValidatorSet {
  readonly set: ValidatorSet;
  readonly hash: Hash;
  readonly fromHeight: number;
  /** Last height, or undefined while no successor is known. */
  readonly toHeight: number | undefined;
}

export interface TrustOptions {
  /** A faster check of the same rule; by default the portable one, which takes some milliseconds. */
  readonly checkSignature?: SignatureCheckFunction;
  /** Digest of the genesis block, for proofs at height 0: `headerDigest` of the header that src/ledger derives. */
  readonly genesisDigest?: Digest;
}

/** All that a verifier believes. It comes from a genesis file and from nothing else. Immutable. */
export class ChainTrust {
  readonly chainId: ChainId;
  readonly genesisDigest: Digest | undefined;
  readonly checkSignature: SignatureCheckFunction;
  /** In order of height, without gaps. */
  readonly validatorSets: readonly TrustedValidatorSet[];

  /** For `trustFirstSet` and `withNextSet`. */
  constructor(
    chainId: ChainId,
    validatorSets: readonly TrustedValidatorSet[],
    checkSignature: SignatureCheckFunction,
    genesisDigest: Digest | undefined,
  ) {
    this.chainId = chainId;
    this.validatorSets = validatorSets;
    this.checkSignature = checkSignature;
    this.genesisDigest = genesisDigest;
  }

  /** The set of that hash if it decides that height. */
  validatorSetFor(hash: Hash, height: number): ValidatorSet | undefined {
    return this.validatorSets.find(
      (trusted) =>
        height >= trusted.fromHeight &&
        (trusted.toHeight === undefined || height <= trusted.toHeight) &&
        equalBytes(trusted.hash, hash),
    )?.set;
  }

  /**
   * This trust, with the set that decides the heights above a verified header, or undefined when it is not the set that
   * the header names. The set before it is no longer believed above that header.
   */
  withNextSet(certified: CertifiedHeader, next: ValidatorSet): ChainTrust | undefined {
    const { height, validatorSetHash: current, nextValidatorSetHash } = certified.header;
    const latest = this.validatorSets.at(-1);
    if (latest === undefined || !equalBytes(latest.hash, current) || height < latest.fromHeight) {
      return undefined;
    }
    const hash = validatorSetHash(next);
    if (!equalBytes(hash, nextValidatorSetHash)) return undefined;
    if (equalBytes(hash, current)) return this;
    if (next.epoch !== latest.set.epoch + 1 || next.activationHeight !== height + 1) return undefined;
    return new ChainTrust(
      this.chainId,
      [
        ...this.validatorSets.slice(0, -1),
        { ...latest, toHeight: height },
        { set: next, hash, fromHeight: height + 1, toHeight: undefined },
      ],
      this.checkSignature,
      this.genesisDigest,
    );
  }
}

/**
 * What a genesis makes a verifier believe: the chain id and the first validator set. The genesis must be the pinned
 * one, decoded by `decodeGenesis` or encodable by `encodeGenesis`.
 */
export function trustGenesis(genesis: Genesis, options: TrustOptions = {}): ChainTrust {
  return trustFirstSet(chainIdOf(encodeGenesis(genesis)), firstValidatorSet(genesis.validators), options);
}

/** As `trustGenesis`, for who has kept no more of the genesis than the chain id and the first validator set. */
export function trustFirstSet(chainId: ChainId, set: ValidatorSet, options: TrustOptions = {}): ChainTrust {
  return new ChainTrust(
    chainId,
    [{ set, hash: validatorSetHash(set), fromHeight: 0, toHeight: undefined }],
    options.checkSignature ?? verifyZip215,
    options.genesisDigest,
  );
}
