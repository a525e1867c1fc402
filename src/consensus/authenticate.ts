/**
 * The gate of the core: from a decoded message to the signatures that it stands on, and to the form that `step`
 * takes. Pure: the caller checks the signatures, all of them, and drops the message if one does not hold.
 */
import {
  decodeBlockHeader,
  decodeNewView,
  decodeViewChange,
  type BlockHeader,
  type CommitCertificate,
  type ConsensusMessage,
  type PreparedCertificate,
  type PrePrepare,
  type SignedNewView,
  type SignedViewChange,
  type VotePhase,
  type VoteSignature,
} from '../codec/index.js';
import {
  checkpointSigningBytes,
  headerDigest,
  merkleRoot,
  newViewSigningBytes,
  viewChangeSigningBytes,
  voteSigningBytes,
  type SignatureCheck,
} from '../crypto/index.js';
import {
  asDigest,
  asHash,
  asSignature,
  asValidatorIndex,
  equalBytes,
  err,
  limits,
  ok,
  quorumOf,
  type Digest,
  type Hash,
  type Height,
  type Result,
  type Signature,
  type ValidatorIndex,
  type View,
} from '../types/index.js';
import type {
  ConsensusConfig,
  HeaderWithDigest,
  VerifiedMessage,
  VerifiedPreparedCertificate,
  VerifiedViewChange,
} from './types.js';

/** What is wrong with a message, before any signature is looked at: a small closed set, for logs and metrics. */
export type AuthenticationError =
  | 'malformed'
  | 'wrongChain'
  | 'wrongValidatorSet'
  | 'unknownValidator'
  | 'wrongSigner'
  | 'wrongHeader'
  | 'wrongTransactions'
  | 'noQuorum'
  | 'wrongOrder'
  | 'tooMany';

/** A message that is what it claims to be if and only if all checks hold. Checks are never deduplicated here. */
export interface PendingAuthentication<V = VerifiedMessage> {
  readonly checks: readonly SignatureCheck[];
  readonly verified: V;
}

type Parsed<V> = Result<PendingAuthentication<V>, AuthenticationError>;
type Config = Pick<
  ConsensusConfig,
  'chainId' | 'validatorSet' | 'validatorSetHash' | 'pipelineWindow' | 'predecessor'
>;

/** Checks the structure of a message and lists the signatures that it stands on, nested ones included. */
export function beginAuthentication(
  message: ConsensusMessage,
  config: Config,
): Result<PendingAuthentication, AuthenticationError> {
  switch (message.kind) {
    case 'prePrepare':
      return parsePrePrepare(message, config);
    case 'prepare':
    case 'commit': {
      const { view, height } = message;
      const digest = copyDigest(message.digest);
      const signature = copyVote(message.signature);
      const check = voteCheck(config, message.kind, view, height, digest, signature);
      if (!check.ok) return check;
      const own = { view, height, digest, signature };
      const verified: VerifiedMessage =
        message.kind === 'prepare'
          ? { kind: 'prepare', message: { kind: 'prepare', ...own } }
          : { kind: 'commit', message: { kind: 'commit', ...own } };
      return ok({ checks: [check.value], verified });
    }
    case 'checkpoint': {
      const { height } = message;
      const digest = copyDigest(message.digest);
      const signature = copyVote(message.signature);
      const { chainId, validatorSetHash } = config;
      const bytes = checkpointSigningBytes({ chainId, validatorSetHash, height, digest });
      const check = checkOf(config, signature.validator, bytes, signature.signature);
      if (!check.ok) return check;
      const verified: VerifiedMessage = {
        kind: 'checkpoint',
        message: { kind: 'checkpoint', height, digest, signature },
      };
      return ok({ checks: [check.value], verified });
    }
    case 'viewChange': {
      const parsed = parseViewChange(copyViewChange(message), config);
      if (!parsed.ok) return parsed;
      const { checks, verified } = parsed.value;
      return ok({ checks, verified: { kind: 'viewChange', message: verified.signed, viewChange: verified } });
    }
    case 'newView':
      return parseNewView(
        {
          kind: 'newView',
          newView: message.newView.slice(),
          signature: asSignature(message.signature.slice()),
        },
        config,
      );
  }
}

// What is kept is copied out of the buffer that it came in, so that 32 bytes do not keep megabytes alive.
const copyDigest = (digest: Digest): Digest => asDigest(digest.slice());
const copyVote = ({ validator, signature }: VoteSignature): VoteSignature => ({
  validator,
  signature: asSignature(signature.slice()),
});
const copyViewChange = ({ viewChange, signature }: SignedViewChange): SignedViewChange => ({
  kind: 'viewChange',
  viewChange: viewChange.slice(),
  signature: asSignature(signature.slice()),
});

/** Copies into one buffer. */
function copyHashes(hashes: readonly Hash[]): readonly Hash[] {
  const bytes = new Uint8Array(32 * hashes.length);
  return hashes.map((hash, index) => {
    bytes.set(hash, 32 * index);
    return asHash(bytes.subarray(32 * index, 32 * index + 32));
  });
}

function checkOf(
  config: Config,
  validator: ValidatorIndex,
  message: Uint8Array,
  signature: Signature,
): Result<SignatureCheck, AuthenticationError> {
  const signer = config.validatorSet.validators[validator];
  return signer === undefined
    ? err('unknownValidator')
    : ok({ publicKey: signer.publicKey, message, signature });
}

function voteCheck(
  config: Config,
  phase: VotePhase,
  view: View,
  height: Height,
  digest: Digest,
  vote: VoteSignature,
): Result<SignatureCheck, AuthenticationError> {
  const { chainId, validatorSetHash } = config;
  const bytes = voteSigningBytes({ chainId, validatorSetHash, phase, view, height, digest });
  return checkOf(config, vote.validator, bytes, vote.signature);
}

const primaryOf = (config: Config, view: View): ValidatorIndex =>
  asValidatorIndex(view % config.validatorSet.validators.length);

/** Reads the header of a block that is voted on in a view. */
function parseHeader(
  headerBytes: Uint8Array,
  view: View,
  config: Config,
): Result<HeaderWithDigest, AuthenticationError> {
  const decoded = decodeBlockHeader(headerBytes);
  if (!decoded.ok) return err('malformed');
  const header: BlockHeader = decoded.value;
  if (!equalBytes(header.chainId, config.chainId)) return err('wrongChain');
  if (!equalBytes(header.validatorSetHash, config.validatorSetHash)) return err('wrongValidatorSet');
  const isProposer = header.proposer === primaryOf(config, header.view);
  const first = Math.max(1, config.validatorSet.activationHeight);
  if (header.height < first || header.view > view || !isProposer) return err('wrongHeader');
  return ok({ header, headerBytes, digest: headerDigest(headerBytes) });
}

function parsePrePrepare(message: PrePrepare, config: Config): Parsed<VerifiedMessage> {
  const { view } = message;
  const parsed = parseHeader(message.header.slice(), view, config);
  if (!parsed.ok) return parsed;
  const { header, headerBytes, digest } = parsed.value;
  if (message.signature.validator !== primaryOf(config, view)) return err('wrongSigner');
  if (message.transactionHashes.length > limits.maxBlockTransactions) return err('tooMany');
  if (message.transactionHashes.length !== header.transactionCount) return err('wrongTransactions');
  const transactionHashes = copyHashes(message.transactionHashes);
  if (!equalBytes(merkleRoot(transactionHashes), header.transactionsRoot)) return err('wrongTransactions');
  const signature = copyVote(message.signature);
  const check = voteCheck(config, 'prePrepare', view, header.height, digest, signature);
  if (!check.ok) return check;
  return ok({
    checks: [check.value],
    verified: {
      kind: 'prePrepare',
      message: { kind: 'prePrepare', view, header: headerBytes, transactionHashes, signature },
      block: { header, headerBytes, digest, transactionHashes },
    },
  });
}

/** Signatures of `quantity` different validators over one vote, in ascending order of index. */
function quorumChecks(
  config: Config,
  phase: VotePhase,
  vote: { readonly view: View; readonly height: Height; readonly digest: Digest },
  signatures: readonly VoteSignature[],
  quantity: number,
): Result<readonly SignatureCheck[], AuthenticationError> {
  if (signatures.length !== quantity) return err('noQuorum');
  const { chainId, validatorSetHash } = config;
  const { view, height, digest } = vote;
  const bytes = voteSigningBytes({ chainId, validatorSetHash, phase, view, height, digest });
  const checks: SignatureCheck[] = [];
  let previous = -1;
  for (const { validator, signature } of signatures) {
    if (validator <= previous) return err('wrongOrder');
    previous = validator;
    const check = checkOf(config, validator, bytes, signature);
    if (!check.ok) return check;
    checks.push(check.value);
  }
  return ok(checks);
}

/**
 * The signatures that a commit certificate stands on: exactly a quorum of different validators of the set that decides
 * its height. That is this set, or for the last block before it the set before; no other height is accepted.
 */
export function commitCertificateChecks(
  certificate: CommitCertificate,
  config: Config,
): Result<readonly SignatureCheck[], AuthenticationError> {
  const electorate = electorateOf(config, certificate.height);
  if (electorate === undefined) return err('wrongHeader');
  const quorum = quorumOf(electorate.validatorSet.validators.length);
  return quorumChecks(electorate, 'commit', certificate, certificate.signatures, quorum);
}

function electorateOf(config: Config, height: Height): Config | undefined {
  const { activationHeight } = config.validatorSet;
  if (height === 0) return undefined;
  if (height >= activationHeight) return config;
  const { predecessor } = config;
  if (predecessor === undefined || height + 1 < activationHeight) return undefined;
  return { chainId: config.chainId, pipelineWindow: config.pipelineWindow, ...predecessor };
}

/** Reads a prepared certificate: the primary's pre-prepare, and prepares of exactly quorum - 1 others. */
export function parsePreparedCertificate(
  certificate: PreparedCertificate,
  config: Config,
): Parsed<VerifiedPreparedCertificate> {
  const { view, prePrepare, prepares } = certificate;
  const parsed = parseHeader(certificate.header, view, config);
  if (!parsed.ok) return parsed;
  const { header, headerBytes, digest } = parsed.value;
  const primary = primaryOf(config, view);
  if (prePrepare.validator !== primary) return err('wrongSigner');
  if (prepares.some(({ validator }) => validator === primary)) return err('wrongSigner');
  const proposal = voteCheck(config, 'prePrepare', view, header.height, digest, prePrepare);
  if (!proposal.ok) return proposal;
  const quorum = quorumOf(config.validatorSet.validators.length);
  const vote = { view, height: header.height, digest };
  const votes = quorumChecks(config, 'prepare', vote, prepares, quorum - 1);
  if (!votes.ok) return votes;
  return ok({
    checks: [proposal.value, ...votes.value],
    verified: { header, headerBytes, digest, certificate },
  });
}

/** Reads a view-change: at most a window of prepared certificates, of lower views, above what it proves committed. */
export function parseViewChange(signed: SignedViewChange, config: Config): Parsed<VerifiedViewChange> {
  const decoded = decodeViewChange(signed.viewChange);
  if (!decoded.ok) return err('malformed');
  const body = decoded.value;
  const { view, validator, committed } = body;
  if (!equalBytes(body.chainId, config.chainId)) return err('wrongChain');
  if (!equalBytes(body.validatorSetHash, config.validatorSetHash)) return err('wrongValidatorSet');
  if (view === 0) return err('malformed');
  if (body.prepared.length > config.pipelineWindow) return err('tooMany');
  const own = checkOf(config, validator, viewChangeSigningBytes(signed.viewChange), signed.signature);
  if (!own.ok) return own;
  const checks: SignatureCheck[] = [own.value];
  // Who votes in this set has the last block of the set before.
  if (committed === undefined && config.validatorSet.activationHeight > 1) return err('wrongOrder');
  if (committed !== undefined) {
    const base = commitCertificateChecks(committed, config);
    if (!base.ok) return base;
    checks.push(...base.value);
  }
  const low = committed?.height ?? 0;
  const prepared: VerifiedPreparedCertificate[] = [];
  let previous: number = low;
  for (const certificate of body.prepared) {
    const parsed = parsePreparedCertificate(certificate, config);
    if (!parsed.ok) return parsed;
    const { height } = parsed.value.verified.header;
    if (certificate.view >= view || height <= previous) return err('wrongOrder');
    if (height > low + config.pipelineWindow) return err('tooMany');
    previous = height;
    checks.push(...parsed.value.checks);
    prepared.push(parsed.value.verified);
  }
  return ok({ checks, verified: { signed, body, prepared } });
}

/** Reads a new-view: view-changes for it of exactly a quorum of different validators, signed by its primary. */
export function parseNewView(
  message: SignedNewView,
  config: Config,
): Parsed<Extract<VerifiedMessage, { readonly kind: 'newView' }>> {
  const decoded = decodeNewView(message.newView);
  if (!decoded.ok) return err('malformed');
  const newView = decoded.value;
  const { view, validator } = newView;
  if (!equalBytes(newView.chainId, config.chainId)) return err('wrongChain');
  if (!equalBytes(newView.validatorSetHash, config.validatorSetHash)) return err('wrongValidatorSet');
  if (view === 0) return err('malformed');
  if (validator !== primaryOf(config, view)) return err('wrongSigner');
  if (newView.viewChanges.length !== quorumOf(config.validatorSet.validators.length)) return err('noQuorum');
  const own = checkOf(config, validator, newViewSigningBytes(message.newView), message.signature);
  if (!own.ok) return own;
  const checks: SignatureCheck[] = [own.value];
  const viewChanges: VerifiedViewChange[] = [];
  let previous = -1;
  for (const signed of newView.viewChanges) {
    const parsed = parseViewChange(signed, config);
    if (!parsed.ok) return parsed;
    const { body } = parsed.value.verified;
    if (body.view !== view) return err('noQuorum');
    if (body.validator <= previous) return err('wrongOrder');
    previous = body.validator;
    checks.push(...parsed.value.checks);
    viewChanges.push(parsed.value.verified);
  }
  for (const { height, digest, signature } of newView.reproposals) {
    const check = voteCheck(config, 'prePrepare', view, height, digest, { validator, signature });
    if (!check.ok) return check;
    checks.push(check.value);
  }
  return ok({ checks, verified: { kind: 'newView', message, newView, viewChanges } });
}
