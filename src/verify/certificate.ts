import {
  decodeBlockHeader,
  type BlockHeader,
  type CommitCertificate,
  type ValidatorSet,
} from '../codec/index.js';
import { headerDigest, voteSigningBytes } from '../crypto/index.js';
import { equalBytes, err, ok, quorumOf, toHex, type Digest, type Result } from '../types/index.js';
import type { CertifiedHeader } from './certified-header.js';
import { VerifyError, type VerifyErrorCode } from './errors.js';
import type { ChainTrust } from './trust.js';

/** The failure of a check. */
export const refuse = (
  code: VerifyErrorCode,
  message: string,
  details?: Readonly<Record<string, string>>,
  cause?: unknown,
): { readonly ok: false; readonly error: VerifyError } => err(new VerifyError(code, message, details, cause));

/**
 * Checks that a block is final: canonical header of this chain, and valid commit signatures over exactly this block by
 * a quorum of different validators of the set that decides its height (docs/proofs.md). Every signature of the
 * certificate has to hold, also those beyond the quorum.
 */
export function verifyCertificate(
  trust: ChainTrust,
  headerBytes: Uint8Array,
  certificate: CommitCertificate,
): Result<CertifiedHeader, VerifyError> {
  const read = readHeader(trust, headerBytes);
  if (!read.ok) return read;
  const { header, digest } = read.value;
  const height = header.height.toString();
  if (header.height === 0) {
    return refuse('NOT_CERTIFIED', 'The header is of height 0, which no certificate can be for.');
  }
  if (certificate.height !== header.height || !equalBytes(certificate.digest, digest)) {
    return refuse(
      'CERTIFICATE_MISMATCH',
      `The certificate is for block ${toHex(certificate.digest)} at height ${certificate.height}, the header is ` +
        `block ${toHex(digest)} at height ${height}.`,
    );
  }
  if (certificate.view < header.view) {
    return refuse(
      'CERTIFICATE_MISMATCH',
      `The certificate is of view ${certificate.view}, before the block was proposed in view ${header.view}.`,
    );
  }
  const set = trust.validatorSetFor(header.validatorSetHash, header.height);
  if (set === undefined) {
    return refuse(
      'UNKNOWN_VALIDATOR_SET',
      `The validator set ${toHex(header.validatorSetHash)} is not known to decide height ${height}. Follow the ` +
        `headers from one that is trusted, or use the genesis file of this network.`,
      { height },
    );
  }
  const signers = checkSignatures(trust, set, header, certificate);
  return signers.ok ? ok({ header, headerBytes, digest, signers: signers.value }) : signers;
}

/**
 * Checks the header of a proof: certified, or, without a certificate, the genesis block.
 */
export function verifyHeader(
  trust: ChainTrust,
  headerBytes: Uint8Array,
  certificate: CommitCertificate | undefined,
): Result<CertifiedHeader, VerifyError> {
  if (certificate !== undefined) return verifyCertificate(trust, headerBytes, certificate);
  const read = readHeader(trust, headerBytes);
  if (!read.ok) return read;
  const { header, digest } = read.value;
  if (header.height !== 0) {
    return refuse('NOT_CERTIFIED', `The header of height ${header.height} comes without a certificate.`);
  }
  if (trust.genesisDigest === undefined || !equalBytes(trust.genesisDigest, digest)) {
    return refuse(
      'NOT_CERTIFIED',
      trust.genesisDigest === undefined
        ? 'The proof is at height 0, but the digest of the genesis block is not known here; ask for height 1 or above.'
        : `The header of height 0 is ${toHex(digest)}, but the genesis block is ${toHex(trust.genesisDigest)}.`,
    );
  }
  return ok({ header, headerBytes, digest, signers: [] });
}

function readHeader(
  trust: ChainTrust,
  headerBytes: Uint8Array,
): Result<{ readonly header: BlockHeader; readonly digest: Digest }, VerifyError> {
  const decoded = decodeBlockHeader(headerBytes);
  if (!decoded.ok) {
    return refuse(
      'HEADER_MALFORMED',
      `The header is malformed: ${decoded.error.message}`,
      decoded.error.details,
      decoded.error,
    );
  }
  const header = decoded.value;
  if (!equalBytes(header.chainId, trust.chainId)) {
    return refuse(
      'WRONG_CHAIN',
      `The header is of chain ${toHex(header.chainId)}, the genesis file of chain ${toHex(trust.chainId)}.`,
    );
  }
  return ok({ header, digest: headerDigest(headerBytes) });
}

/** Ids of the signers, a quorum of them. Counts before it checks a signature, since these are the expensive part. */
function checkSignatures(
  trust: ChainTrust,
  set: ValidatorSet,
  header: BlockHeader,
  certificate: CommitCertificate,
): Result<readonly string[], VerifyError> {
  const { validators } = set;
  const { signatures } = certificate;
  const height = header.height.toString();
  const signers = [];
  let previous = -1;
  for (const { validator: index } of signatures) {
    const validator = validators[index];
    if (validator === undefined) {
      return refuse(
        'UNKNOWN_VALIDATOR',
        `The certificate of height ${height} has a signature of validator ${index}; there are ${validators.length}.`,
      );
    }
    if (index <= previous) {
      return refuse(
        'SIGNERS_NOT_ASCENDING',
        `The certificate of height ${height} has a signature of validator ${index} after one of ${previous}: each may ` +
          `sign once, in ascending order.`,
      );
    }
    previous = index;
    signers.push(validator);
  }
  const quorum = quorumOf(validators.length);
  if (signers.length < quorum) {
    return refuse(
      'NO_QUORUM',
      `The certificate of height ${height} has ${signers.length} signatures of ${validators.length} validators; it ` +
        `takes ${quorum}.`,
    );
  }
  const message = voteSigningBytes({
    chainId: trust.chainId,
    validatorSetHash: header.validatorSetHash,
    phase: 'commit',
    view: certificate.view,
    height: header.height,
    digest: certificate.digest,
  });
  for (const [position, { id, publicKey }] of signers.entries()) {
    const signature = signatures[position]?.signature;
    if (signature === undefined || !trust.checkSignature(publicKey, message, signature)) {
      return refuse(
        'SIGNATURE_INVALID',
        `The signature of validator "${id}" on height ${height} in view ${certificate.view} is not valid.`,
        { validator: id, height },
      );
    }
  }
  return ok(signers.map(({ id }) => id));
}
