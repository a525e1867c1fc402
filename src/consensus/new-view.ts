import type { CommitCertificate } from '../codec/model.js';
import { asHeight, equalBytes, type Digest, type Height, type ValidatorIndex } from '../types/index.js';
import type { HeaderWithDigest, VerifiedPreparedCertificate, VerifiedViewChange } from './types.js';

/** A block that a new view takes over. */
export interface DerivedBlock extends HeaderWithDigest {
  readonly height: Height;
  /** Who showed a prepared certificate for it, and so has voted for it and holds its bodies. */
  readonly reporters: readonly ValidatorIndex[];
}

/** What a new view starts from. */
export interface DerivedView {
  /** Highest committed height among the view-changes; the certificate is absent at height 0. */
  readonly baseHeight: Height;
  readonly base: CommitCertificate | undefined;
  /** In order of height, without gaps. All above the base, and those at or below it for which somebody may still need
   * a certificate of the height itself. */
  readonly reproposals: readonly DerivedBlock[];
  /** The highest height taken over; fresh proposals start above. */
  readonly inheritedHeight: Height;
}

type ByHeight = ReadonlyMap<Height, readonly Report[]>;
interface Report {
  readonly certificate: VerifiedPreparedCertificate;
  readonly reporter: ValidatorIndex;
}

/**
 * Derives what a view starts from, given its view-changes in ascending order of sender. Pure, and the same for the
 * primary that makes the new-view and for everyone who checks it.
 *
 * - The base is the highest committed height that is proven.
 * - Above it, per height, the prepared certificate of the highest view is taken, upwards for as long as there is one
 *   and its block links to the one taken below.
 * - At and below it, the ancestors of the base are followed downwards by hash through whatever prepared certificates
 *   there are. They are final as ancestors, but a replica may have been able to show the certificate of the base
 *   without anybody else holding those of its ancestors (a faulty replica can gather commits that it keeps for
 *   itself). Voted on again, they get certificates of their own.
 *
 * See docs/consensus.md for why this keeps every block that may have been committed.
 */
export function deriveNewView(
  viewChanges: readonly VerifiedViewChange[],
  pipelineWindow: number,
): DerivedView {
  let base: CommitCertificate | undefined;
  for (const { body } of viewChanges) {
    if (body.committed !== undefined && body.committed.height > (base?.height ?? 0)) base = body.committed;
  }
  const baseHeight = base?.height ?? asHeight(0);
  const reports = reportsByHeight(viewChanges);
  const above = walkUp(reports, baseHeight, base?.digest);
  const below = base === undefined ? [] : walkDown(reports, base, pipelineWindow);
  return {
    baseHeight,
    base,
    reproposals: [...below, ...above],
    inheritedHeight: above.at(-1)?.height ?? baseHeight,
  };
}

function reportsByHeight(viewChanges: readonly VerifiedViewChange[]): ByHeight {
  const reports = new Map<Height, Report[]>();
  for (const { body, prepared } of viewChanges) {
    for (const certificate of prepared) {
      const report = { certificate, reporter: body.validator };
      const height = certificate.header.height;
      const others = reports.get(height);
      if (others === undefined) reports.set(height, [report]);
      else others.push(report);
    }
  }
  return reports;
}

function walkUp(reports: ByHeight, baseHeight: Height, baseDigest: Digest | undefined): DerivedBlock[] {
  const blocks: DerivedBlock[] = [];
  // The genesis block has no certificate; who prepared a block of height 1 has checked its link.
  let parent = baseDigest;
  for (let height = asHeight(baseHeight + 1); ; height = asHeight(height + 1)) {
    let highest: VerifiedPreparedCertificate | undefined;
    for (const { certificate } of reports.get(height) ?? []) {
      if (highest === undefined || certificate.certificate.view > highest.certificate.view)
        highest = certificate;
    }
    if (highest === undefined) return blocks;
    if (parent !== undefined && !equalBytes(highest.header.prevHash, parent)) return blocks;
    blocks.push(derived(reports, highest));
    parent = highest.digest;
  }
}

function walkDown(reports: ByHeight, base: CommitCertificate, room: number): DerivedBlock[] {
  const blocks: DerivedBlock[] = [];
  let digest = base.digest;
  for (let height: Height = base.height; height > 0 && blocks.length < room; height = asHeight(height - 1)) {
    const wanted = digest;
    const found = reports.get(height)?.find(({ certificate }) => equalBytes(certificate.digest, wanted));
    if (found === undefined) break;
    blocks.push(derived(reports, found.certificate));
    digest = found.certificate.header.prevHash;
  }
  return blocks.reverse();
}

function derived(reports: ByHeight, block: HeaderWithDigest): DerivedBlock {
  const { header, headerBytes, digest } = block;
  const reporters = (reports.get(header.height) ?? [])
    .filter(({ certificate }) => equalBytes(certificate.digest, digest))
    .map(({ reporter }) => reporter);
  return { height: header.height, header, headerBytes, digest, reporters };
}
