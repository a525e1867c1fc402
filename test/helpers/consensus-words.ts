/** What validators of a test network say: their sets, configurations, blocks, and signatures that only this file can make. */
import {
  beginSigning,
  type BlockRef,
  type ConsensusConfig,
  type NextEpoch,
  type Statement,
} from '../../src/consensus/index.js';
import {
  firstValidatorSet,
  encodeBlockHeader,
  type BlockHeader,
  type ConsensusMessage,
  type Validator,
  type ValidatorSet,
} from '../../src/codec/index.js';
import {
  headerDigest,
  merkleRoot,
  sha256,
  validatorSetHash,
  type SignatureCheck,
} from '../../src/crypto/index.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asValidatorIndex,
  asView,
  concatBytes,
  equalBytes,
  type Digest,
  type Hash,
  type Signature,
} from '../../src/types/index.js';

export interface NetOptions {
  readonly n: number;
  readonly window?: number;
  readonly checkpointInterval?: number;
  readonly timeouts?: Partial<ConsensusConfig['timeouts']>;
  /** Replicas besides the first `n`, which no validator set has at the start. */
  readonly spares?: number;
  /** Validator sets that take over later, by the numbers of their replicas, in order of height. */
  readonly changes?: readonly { readonly activationHeight: number; readonly members: readonly number[] }[];
}

const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => sha256(encoder.encode(text));

const validatorOf = (index: number): Validator => ({
  id: `validator-${index}`,
  member: `member-${index}`,
  publicKey: asPublicKey(bytesOf(`key ${index}`)),
});

/** The sets of a network in order of height, by the numbers of their replicas. */
function setsOf({ n, changes = [] }: NetOptions): readonly ValidatorSet[] {
  const first = firstValidatorSet(Array.from({ length: n }, (_, index) => validatorOf(index)));
  return [
    first,
    ...changes.map(({ activationHeight, members }, index) => ({
      validators: members.map(validatorOf),
      epoch: index + 1,
      activationHeight: asHeight(activationHeight),
    })),
  ];
}

/** The set that decides a height. */
export function setAt(options: NetOptions, height: number): ValidatorSet {
  return setsOf(options).findLast((set) => set.activationHeight <= Math.max(0, height))!;
}

/** A set as the core is told of it. */
export function epochAt(options: NetOptions, height: number, self: number | undefined): NextEpoch {
  const validatorSet = setAt(options, height);
  const place = validatorSet.validators.findIndex(({ id }) => id === `validator-${self ?? -1}`);
  return {
    validatorSet,
    validatorSetHash: validatorSetHash(validatorSet),
    self: place < 0 ? undefined : asValidatorIndex(place),
  };
}

/** The configuration of one replica of a test network, for the set that decides a height. */
export function testConfig(options: NetOptions, self: number | undefined, height = 1): ConsensusConfig {
  const epoch = epochAt(options, height, self);
  const { activationHeight } = epoch.validatorSet;
  const { validatorSet, validatorSetHash: hash } = epochAt(options, activationHeight - 1, undefined);
  return {
    chainId: asChainId(bytesOf('chain')),
    ...epoch,
    ...(activationHeight > 0 && { predecessor: { validatorSet, validatorSetHash: hash } }),
    pipelineWindow: options.window ?? 4,
    checkpointInterval: options.checkpointInterval ?? 10,
    timeouts: {
      viewTimeoutMs: 2000,
      maxViewTimeoutMs: 20_000,
      retransmitMs: 500,
      primarySilenceMs: 3000,
      ...options.timeouts,
    },
  };
}

/** A signature that `fakeVerify` accepts: deterministic, like Ed25519. */
export function fakeSign(config: ConsensusConfig, signer: number, message: Uint8Array): Signature {
  const half = sha256(config.validatorSet.validators[signer]!.publicKey, message);
  return asSignature(concatBytes(half, half));
}

export function fakeVerify({ publicKey, message, signature }: SignatureCheck): boolean {
  const half = sha256(publicKey, message);
  return equalBytes(signature, concatBytes(half, half));
}

/** What a validator would say on the wire, whatever its replica thinks of it. */
export function say(config: ConsensusConfig, signer: number, statement: Statement): ConsensusMessage {
  let signing = beginSigning(statement, { ...config, self: asValidatorIndex(signer) });
  for (;;) {
    const next = signing.next(signing.toSign.map((bytes) => fakeSign(config, signer, bytes)));
    if (next.kind === 'signed') return next.message;
    signing = next;
  }
}

export interface BlockOptions {
  readonly height: number;
  readonly view: number;
  readonly parent: Digest;
  readonly timeMs: number;
  readonly label: string;
  readonly header?: Partial<BlockHeader>;
}

/** A block with one made-up transaction. */
export function makeBlock(config: ConsensusConfig, options: BlockOptions): BlockRef {
  const hashes: readonly Hash[] = [asHash(bytesOf(`transaction ${options.label}`))];
  const header: BlockHeader = {
    version: 1,
    chainId: config.chainId,
    height: asHeight(options.height),
    view: asView(options.view),
    prevHash: options.parent,
    transactionsRoot: asHash(merkleRoot(hashes)),
    resultsRoot: asHash(bytesOf('results')),
    stateRoot: asHash(bytesOf(`state ${options.label}`)),
    validatorSetHash: config.validatorSetHash,
    nextValidatorSetHash: config.validatorSetHash,
    timeMs: options.timeMs,
    proposer: asValidatorIndex(options.view % config.validatorSet.validators.length),
    transactionCount: 1,
    ...options.header,
  };
  const headerBytes = encodeBlockHeader(header);
  return { header, headerBytes, digest: headerDigest(headerBytes), transactionHashes: hashes };
}

export const genesisTip = {
  height: asHeight(0),
  digest: asDigest(bytesOf('genesis')),
  timeMs: 1_000_000,
} as const;
