import type { CommitCertificate, ValidatorSet } from '../codec/index.js';
import { equalBytes, ok, type Result } from '../types/index.js';
import { refuse, verifyCertificate } from './certificate.js';
import type { CertifiedHeader } from './certified-header.js';
import type { VerifyError } from './errors.js';
import type { ChainTrust } from './trust.js';

/** One step of a chain of headers. */
export interface HeaderLink {
  /** Canonical BlockHeader. */
  readonly header: Uint8Array;
  readonly certificate: CommitCertificate;
  /** The set that decides the heights above, needed where the header names another one that the trust does not know. */
  readonly nextValidatorSet?: ValidatorSet;
}

/** How far a chain of headers was followed. */
export interface FollowedChain {
  readonly tip: CertifiedHeader;
  /** The trust to go on with: it knows the validator sets that the headers led to. */
  readonly trust: ChainTrust;
}

/**
 * Follows headers from one to the next: each certified by the set that decides its height, linked to the one before by
 * hash, height, validator set and time. `from` is the last header that was followed before; without it the chain may
 * start at any height that the trust covers, and at height 1 it has to link to the genesis block if its digest is known.
 * Refuses an empty chain unless `from` is given.
 */
export function verifyHeaderChain(
  trust: ChainTrust,
  links: Iterable<HeaderLink>,
  from?: CertifiedHeader,
): Result<FollowedChain, VerifyError> {
  let tip = from;
  let current = trust;
  for (const link of links) {
    const followed = followHeader(current, link, tip);
    if (!followed.ok) return followed;
    tip = followed.value.tip;
    current = followed.value.trust;
  }
  if (tip === undefined) return refuse('NOT_CERTIFIED', 'The chain of headers is empty.');
  return ok({ tip, trust: current });
}

/** Follows one header. */
export function followHeader(
  trust: ChainTrust,
  link: HeaderLink,
  previous: CertifiedHeader | undefined,
): Result<FollowedChain, VerifyError> {
  const certified = verifyCertificate(trust, link.header, link.certificate);
  if (!certified.ok) return certified;
  const tip = certified.value;
  const broken = previous === undefined ? brokenStart(trust, tip) : brokenLink(previous, tip);
  if (broken !== undefined) {
    return refuse('BROKEN_LINK', `The header of height ${tip.header.height} ${broken}.`, {
      height: tip.header.height.toString(),
    });
  }
  if (equalBytes(tip.header.nextValidatorSetHash, tip.header.validatorSetHash)) return ok({ tip, trust });
  const known = trust.validatorSets.some(
    ({ hash, fromHeight }) =>
      fromHeight === tip.header.height + 1 && equalBytes(hash, tip.header.nextValidatorSetHash),
  );
  if (known) return ok({ tip, trust });
  const next =
    link.nextValidatorSet === undefined ? undefined : trust.withNextSet(tip, link.nextValidatorSet);
  if (next === undefined) {
    return refuse(
      'UNKNOWN_VALIDATOR_SET',
      `The header of height ${tip.header.height} hands over to another validator set, which was not given with it.`,
      { height: tip.header.height.toString() },
    );
  }
  return ok({ tip, trust: next });
}

function brokenStart({ genesisDigest }: ChainTrust, { header }: CertifiedHeader): string | undefined {
  if (header.height !== 1 || genesisDigest === undefined) return undefined;
  return equalBytes(header.prevHash, genesisDigest) ? undefined : 'does not link to the genesis block';
}

function brokenLink(previous: CertifiedHeader, { header }: CertifiedHeader): string | undefined {
  const before = previous.header;
  if (header.height !== before.height + 1) return `does not follow height ${before.height}`;
  if (!equalBytes(header.prevHash, previous.digest)) return 'names another block as the one before it';
  if (!equalBytes(header.validatorSetHash, before.nextValidatorSetHash)) {
    return 'is decided by another validator set than the one before it says';
  }
  if (header.timeMs <= before.timeMs) return 'is not later than the one before it';
  return undefined;
}
