import { decodeBlockHeader } from '../codec/index.js';
import type { BlockHeader, CommitCertificate, ValidatorSet } from '../codec/model.js';
import type { SignatureCheck, SignatureVerifier } from '../crypto/index.js';
import { headerDigest, merkleLeafHash, merkleRoot, voteSigningBytes } from '../crypto/index.js';
import type { FetchedBlock } from '../network/types.js';
import type { ChainId, Digest, Hash, Height, Result } from '../types/index.js';
import { equalBytes, err, ok, quorumOf } from '../types/index.js';

/** A final block whose certificate, transactions root and place were checked. Not executed. */
export interface CertifiedBlock {
  readonly headerBytes: Uint8Array;
  readonly header: BlockHeader;
  readonly digest: Digest;
  readonly certificate: CommitCertificate;
  /** RFC 6962 leaf hashes of the envelopes. */
  readonly transactionHashes: readonly Hash[];
  readonly envelopes: readonly Uint8Array[];
}

/** Whose signatures make a block final. */
export interface Electorate {
  readonly chainId: ChainId;
  readonly validatorSet: ValidatorSet;
  readonly validatorSetHash: Hash;
}

/** A block that cannot be judged by this electorate: its header names another one. It may be above a change of the
 * validator set that is not reached yet, or a lie. */
export const otherElectorate = 'it was decided by another validator set';

/** Checks a block that a peer says is final at `height`; the error says what is false about it. Its link to the block
 * below is for whoever puts blocks in order. */
export async function verifyBlock(
  block: FetchedBlock,
  height: Height,
  electorate: Electorate,
  verifier: SignatureVerifier,
): Promise<Result<CertifiedBlock, string>> {
  const decoded = decodeBlockHeader(block.headerBytes);
  if (!decoded.ok) return err(`its header is malformed: ${decoded.error.message}`);
  const header = decoded.value;
  const { certificate, envelopes, headerBytes } = block;
  const { chainId, validatorSetHash } = electorate;
  if (header.height !== height) return err(`it has height ${header.height} instead of ${height}`);
  if (!equalBytes(header.chainId, chainId)) return err('it belongs to another chain');
  if (!equalBytes(header.validatorSetHash, validatorSetHash)) {
    return err(otherElectorate);
  }
  const digest = headerDigest(headerBytes);
  if (certificate.height !== height || !equalBytes(certificate.digest, digest)) {
    return err('its certificate is for another block');
  }
  if (header.transactionCount !== envelopes.length) return err('transactions are missing or too many');
  const transactionHashes = envelopes.map((envelope) => merkleLeafHash(envelope));
  if (!equalBytes(merkleRoot(transactionHashes), header.transactionsRoot)) {
    return err('its transactions are not those of its header');
  }
  const checks = certificateChecks(certificate, electorate);
  if (!checks.ok) return checks;
  const valid = await verifier.verify(checks.value);
  if (!valid.every(Boolean)) return err('a signature of its certificate is wrong');
  return ok({ headerBytes, header, digest, certificate, transactionHashes, envelopes });
}

/** The signature checks of a certificate by a quorum of different validators. */
function certificateChecks(
  certificate: CommitCertificate,
  { chainId, validatorSet, validatorSetHash }: Electorate,
): Result<readonly SignatureCheck[], string> {
  const { view, height, digest, signatures } = certificate;
  const { validators } = validatorSet;
  if (signatures.length < quorumOf(validators.length)) return err('its certificate has no quorum');
  const message = voteSigningBytes({ chainId, validatorSetHash, phase: 'commit', view, height, digest });
  const checks: SignatureCheck[] = [];
  let last = -1;
  for (const { validator: index, signature } of signatures) {
    const validator = validators[index];
    if (validator === undefined || index <= last) {
      return err('its certificate names validators that do not exist, or one twice');
    }
    last = index;
    checks.push({ publicKey: validator.publicKey, message, signature });
  }
  return ok(checks);
}
