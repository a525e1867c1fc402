/** A chain of final blocks with real signatures of made-up validators; what is in the blocks is of no ledger. */
import { generateKeyPairSync, createPublicKey, sign, verify } from 'node:crypto';
import { encodeBlockHeader, firstValidatorSet } from '../../src/codec/index.js';
import type { ValidatorSet } from '../../src/codec/model.js';
import type { SignatureVerifier } from '../../src/crypto/index.js';
import {
  headerDigest,
  merkleLeafHash,
  merkleRoot,
  validatorSetHash,
  voteSigningBytes,
} from '../../src/crypto/index.js';
import type { FetchedBlock } from '../../src/network/types.js';
import type { Digest, Height } from '../../src/types/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asValidatorIndex,
  asView,
  quorumOf,
} from '../../src/types/index.js';
import type { Electorate } from '../../src/sync/index.js';

export interface CertifiedChain extends Electorate {
  readonly base: { readonly height: Height; readonly digest: Digest };
  /** Blocks of heights 1 … */
  readonly blocks: readonly FetchedBlock[];
}

/** Builds a chain of `length` blocks above genesis; `seed` makes chains of the same validators differ. */
export function certifiedChain(
  length: number,
  { validators = 4, envelopesPerBlock = 2, envelopeBytes = 40 } = {},
): CertifiedChain & { fork(from: number): readonly FetchedBlock[] } {
  const keys = Array.from({ length: validators }, () => generateKeyPairSync('ed25519'));
  const validatorSet: ValidatorSet = firstValidatorSet(
    keys.map(({ publicKey }, index) => ({
      id: `v${index}`,
      member: 'bank',
      publicKey: asPublicKey(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))),
    })),
  );
  const chainId = asChainId(new Uint8Array(32).fill(9));
  const setHash = validatorSetHash(validatorSet);
  const base = { height: asHeight(0), digest: asDigest(new Uint8Array(32).fill(1)) };

  function build(height: number, prevHash: Digest, salt: number): { block: FetchedBlock; digest: Digest } {
    const envelopes = Array.from({ length: envelopesPerBlock }, (_, index) =>
      new Uint8Array(envelopeBytes).fill((height * 31 + index + salt) % 251),
    );
    const headerBytes = encodeBlockHeader({
      version: 1,
      chainId,
      height: asHeight(height),
      view: asView(0),
      prevHash,
      transactionsRoot: merkleRoot(envelopes.map(merkleLeafHash)),
      resultsRoot: asHash(new Uint8Array(32)),
      stateRoot: asHash(new Uint8Array(32)),
      validatorSetHash: setHash,
      nextValidatorSetHash: setHash,
      timeMs: 1_700_000_000_000 + height,
      proposer: asValidatorIndex(0),
      transactionCount: envelopes.length,
    });
    const digest = headerDigest(headerBytes);
    const vote = { view: asView(0), height: asHeight(height), digest };
    const message = voteSigningBytes({ chainId, validatorSetHash: setHash, phase: 'commit', ...vote });
    const signatures = keys.slice(0, quorumOf(validators)).map(({ privateKey }, index) => ({
      validator: asValidatorIndex(index),
      signature: asSignature(new Uint8Array(sign(null, message, privateKey))),
    }));
    return { block: { headerBytes, certificate: { ...vote, signatures }, envelopes }, digest };
  }

  const blocks: FetchedBlock[] = [];
  let digest = base.digest;
  for (let height = 1; height <= length; height++) {
    const built = build(height, digest, 0);
    blocks.push(built.block);
    digest = built.digest;
  }
  return {
    chainId,
    validatorSet,
    validatorSetHash: setHash,
    base,
    blocks,
    /** Certified as well, but on another parent from this height on. */
    fork(from) {
      return blocks.map((block, index) =>
        index + 1 < from ? block : build(index + 1, asDigest(new Uint8Array(32).fill(66)), 77).block,
      );
    },
  };
}

/** Checks signatures at once; counts what it checked. */
export function directVerifier(): SignatureVerifier & { checked: number } {
  const verifier = {
    checked: 0,
    verify(checks: Parameters<SignatureVerifier['verify']>[0]) {
      verifier.checked += checks.length;
      return Promise.resolve(
        checks.map(({ publicKey, message, signature }) => {
          const x = Buffer.from(publicKey).toString('base64url');
          const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
          return verify(null, message, key, signature);
        }),
      );
    },
    close: () => Promise.resolve(),
  };
  return verifier;
}
