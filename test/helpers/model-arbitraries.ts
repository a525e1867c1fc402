/** fast-check arbitraries of every message of src/codec/model.ts: only values that the codec accepts. */
import fc, { type Arbitrary } from 'fast-check';
import {
  bounds,
  encodeTransactionPayload,
  firstValidatorSet,
  type Account,
  type AppliedBlock,
  type Asset,
  type Balance,
  type BlockHeader,
  type Change,
  type ChangeProposal,
  type CheckpointStatement,
  type CommitCertificate,
  type ConsensusMessage,
  type Evidence,
  type EvidenceBundle,
  type Genesis,
  type Governance,
  type Hold,
  type KeyPolicy,
  type Member,
  type NewView,
  type Operation,
  type Parameters,
  type PreparedCertificate,
  type ProposalStatus,
  type ProposeChange,
  type Receipt,
  type ResultCode,
  type Role,
  type SignedNewView,
  type SignedViewChange,
  type SignedVote,
  type StateProof,
  type Supply,
  type TransactionEnvelope,
  type TransactionPayload,
  type TransactionResult,
  type Validator,
  type ProposeValidatorSet,
  type ValidatorSet,
  type ValidatorSetChanges,
  type ValidatorSetProposal,
  type ViewChange,
  type Vote,
  type VotePhase,
  type VoteSignature,
  type VoteStatement,
} from '../../src/codec/index.js';
import { resultCodes } from '../../src/codec/enums.js';
import {
  asAmount,
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asTxId,
  asValidatorIndex,
  asView,
  compareBytes,
  limits,
} from '../../src/types/index.js';

const bytesOf = (min: number, max = min): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: min, maxLength: max });
const b32 = bytesOf(32);
const idOf = (first: string, later: string, max: number): Arbitrary<string> =>
  fc
    .tuple(
      fc.constantFrom(...Array.from(first)),
      fc.array(fc.constantFrom(...Array.from(later)), { maxLength: max - 1, size: 'max' }),
    )
    .map(([head, tail]) => head + tail.join(''));
const lower = 'abcdefghijklmnopqrstuvwxyz0123456789';
const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

export const memberId = idOf(lower, `${lower}._-`, limits.maxIdLength);
export const validatorId = idOf(`${lower}._-`, `${lower}._-`, limits.maxIdLength);
export const accountId = idOf(lower + upper, `${lower}${upper}._-:`, limits.maxIdLength);
export const assetId = idOf(upper, `${upper}._-`, limits.maxAssetIdLength);

/** Small numbers often, the edges sometimes. */
const integer = (min: number, max: number): Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min, max: Math.min(max, min + 300) }),
    fc.integer({ min, max }),
    fc.constantFrom(min, max),
  );
export const height = integer(0, limits.maxHeight).map(asHeight);
export const votedHeight = integer(1, limits.maxHeight).map(asHeight);
export const view = integer(0, limits.maxView).map(asView);
const validatorIndex = integer(0, limits.maxValidators - 1).map(asValidatorIndex);
const amountFrom = (min: bigint): Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min, max: 10_000n }),
    fc.bigInt({ min, max: limits.maxAmount }),
    fc.integer({ min: 0, max: 38 }).map((digits) => 10n ** BigInt(digits)),
    fc.constant(limits.maxAmount),
  );
export const amount = amountFrom(1n).map(asAmount);
const text = (maxBytes: number): Arbitrary<string> =>
  fc
    .string({ unit: 'binary', maxLength: maxBytes })
    .filter((value) => new TextEncoder().encode(value).length <= maxBytes);

const ascending = <T>(items: readonly T[], key: (item: T) => Uint8Array): T[] => {
  const sorted = [...items].sort((left, right) => compareBytes(key(left), key(right)));
  return sorted.filter((item, index) => index === 0 || compareBytes(key(sorted[index - 1]!), key(item)) < 0);
};
const ascendingBy = <T>(items: readonly T[], key: (item: T) => string | number): T[] => {
  const seen = new Map(items.map((item) => [key(item), item]));
  return [...seen.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, item]) => item);
};

export const publicKey = b32.map(asPublicKey);
export const signature = bytesOf(64).map(asSignature);

export const transactionEnvelope: Arbitrary<TransactionEnvelope> = fc.record({
  payload: bytesOf(1, 400),
  signatures: fc
    .array(fc.record({ publicKey, signature }), { minLength: 1, maxLength: limits.maxSignatures })
    .map((items) => ascending(items, (item) => item.publicKey)),
});

export const keyPolicy: Arbitrary<KeyPolicy> = fc
  .array(fc.record({ publicKey, weight: integer(1, bounds.maxKeyWeight) }), {
    minLength: 1,
    maxLength: limits.maxPolicyKeys,
  })
  .map((items) => ascending(items, (item) => item.publicKey))
  .chain((keys) =>
    fc.record({
      threshold: fc.integer({ min: 1, max: keys.reduce((sum, key) => sum + key.weight, 0) }),
      keys: fc.constant(keys),
    }),
  );

const optionalPolicy: Arbitrary<{ policy?: KeyPolicy }> = fc
  .option(keyPolicy, { nil: undefined })
  .map((policy) => (policy === undefined ? {} : { policy }));

const peerAddress: Arbitrary<string> = fc
  .tuple(fc.constantFrom('v1.bank.example', '10.0.0.7', '[2001:db8::1]'), integer(1, 65_535))
  .map(([host, port]) => `${host}:${port}`);
const validators: Arbitrary<Validator[]> = fc.uniqueArray(
  fc
    .record({
      id: validatorId,
      member: memberId,
      publicKey,
      address: fc.option(peerAddress, { nil: undefined }),
    })
    .map(({ address, ...rest }) => (address === undefined ? rest : { ...rest, address })),
  {
    minLength: 1,
    maxLength: 7,
    comparator: (left, right) => left.id === right.id || compareBytes(left.publicKey, right.publicKey) === 0,
  },
);
const proposeValidatorSet: Arbitrary<ProposeValidatorSet> = fc.record({
  kind: fc.constant('proposeValidatorSet' as const),
  validator: validatorId,
  baseValidatorSetHash: b32.map(asHash),
  validators,
  notBeforeHeight: height,
  expiresHeight: height,
});

const holdId = idOf(lower + upper, `${lower}${upper}._-:`, limits.maxHoldIdLength);
const hashLock = fc.oneof(b32, fc.constant(new Uint8Array(0)));
const timeMs = integer(1, limits.maxTimeMs);
const change: Arbitrary<Change> = fc.record({
  kind: fc.constant('rulesVersion' as const),
  version: integer(1, bounds.maxRulesVersion),
});
export const proposeChange: Arbitrary<ProposeChange> = fc.record({
  kind: fc.constant('proposeChange' as const),
  validator: validatorId,
  baseValidatorSetHash: b32.map(asHash),
  change,
  notBeforeHeight: height,
  expiresHeight: height,
  reason: text(limits.maxMemoBytes),
});

export const operation: Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant('registerMember' as const),
    member: memberId,
    name: text(limits.maxNameBytes),
    policy: keyPolicy,
  }),
  fc
    .tuple(accountId, optionalPolicy)
    .map(([account, policy]) => ({ kind: 'createAccount' as const, account, ...policy })),
  fc.record({
    kind: fc.constant('createAsset' as const),
    asset: assetId,
    exponent: integer(0, limits.maxAssetExponent),
    issuer: memberId,
    name: text(limits.maxNameBytes),
  }),
  fc.record({ kind: fc.constant('mint' as const), asset: assetId, account: accountId, amount }),
  fc.record({ kind: fc.constant('burn' as const), asset: assetId, account: accountId, amount }),
  fc.record({
    kind: fc.constant('transfer' as const),
    fromAccount: accountId,
    toAccount: accountId,
    asset: assetId,
    amount,
    endToEndId: text(limits.maxEndToEndIdBytes),
    memo: text(limits.maxMemoBytes),
  }),
  proposeValidatorSet,
  fc.record({
    kind: fc.constant('approveValidatorSet' as const),
    validator: validatorId,
    proposer: validatorId,
    proposalHash: b32.map(asHash),
  }),
  fc.record({ kind: fc.constant('withdrawValidatorSet' as const), validator: validatorId }),
  proposeChange,
  fc.record({
    kind: fc.constant('voteOnChange' as const),
    validator: validatorId,
    proposal: proposeChange,
    vote: fc.constantFrom<Vote[]>('approve', 'reject'),
  }),
  fc.record({
    kind: fc.constant('withdrawChange' as const),
    validator: validatorId,
    proposalId: b32.map(asHash),
  }),
  fc.record({
    kind: fc.constant('updateMember' as const),
    name: text(limits.maxNameBytes),
    policy: keyPolicy,
  }),
  fc
    .tuple(accountId, optionalPolicy)
    .map(([account, policy]) => ({ kind: 'updateAccount' as const, account, ...policy })),
  fc.record({
    kind: fc.constant('placeHold' as const),
    holdId,
    fromAccount: accountId,
    toAccount: accountId,
    asset: assetId,
    amount,
    captor: memberId,
    expiresUnixMs: timeMs,
    hashLock,
    endToEndId: text(limits.maxEndToEndIdBytes),
    memo: text(limits.maxMemoBytes),
  }),
  fc.record({
    kind: fc.constant('captureHold' as const),
    holdId,
    fromAccount: accountId,
    toAccount: accountId,
    asset: assetId,
    amount,
    preimage: bytesOf(0, limits.maxPreimageBytes),
  }),
  fc.record({
    kind: fc.constant('releaseHold' as const),
    holdId,
    fromAccount: accountId,
    asset: assetId,
    amount,
  }),
  fc.record({
    kind: fc.constant('exchange' as const),
    parties: fc
      .array(memberId, { minLength: 1, maxLength: 4 })
      .map((items) => ascendingBy(items, (item) => item)),
    legs: fc.array(fc.record({ fromAccount: accountId, toAccount: accountId, asset: assetId, amount }), {
      minLength: 2,
      maxLength: 4,
    }),
    deadlineUnixMs: timeMs,
    reference: text(limits.maxEndToEndIdBytes),
  }),
);

export const transactionPayload: Arbitrary<TransactionPayload> = fc
  .record({
    sender: memberId,
    idempotencyKey: bytesOf(limits.minIdempotencyKeyBytes, limits.maxIdempotencyKeyBytes),
    validUntilHeight: height,
    operations: fc.array(operation, { minLength: 1, maxLength: 6 }),
  })
  .filter((payload) => encodeTransactionPayload(payload).length <= limits.maxPayloadBytes);

export const blockHeader: Arbitrary<BlockHeader> = fc.record({
  version: fc.constant(1 as const),
  chainId: b32.map(asChainId),
  height,
  view,
  prevHash: b32.map(asDigest),
  transactionsRoot: b32.map(asHash),
  resultsRoot: b32.map(asHash),
  stateRoot: b32.map(asHash),
  validatorSetHash: b32.map(asHash),
  nextValidatorSetHash: b32.map(asHash),
  timeMs: integer(0, limits.maxTimeMs),
  proposer: validatorIndex,
  transactionCount: integer(0, limits.maxBlockTransactions),
});

const phase = fc.constantFrom<VotePhase[]>('prePrepare', 'prepare', 'commit');

export const voteStatement: Arbitrary<VoteStatement> = fc.record({
  chainId: b32.map(asChainId),
  validatorSetHash: b32.map(asHash),
  phase,
  view,
  height: votedHeight,
  digest: b32.map(asDigest),
});

export const voteSignature: Arbitrary<VoteSignature> = fc.record({ validator: validatorIndex, signature });
const voteSignatures = (min: number, max: number): Arbitrary<VoteSignature[]> =>
  fc
    .array(voteSignature, { minLength: min, maxLength: max })
    .map((items) => ascendingBy(items, (item) => item.validator));

export const commitCertificate: Arbitrary<CommitCertificate> = fc.record({
  view,
  height: votedHeight,
  digest: b32.map(asDigest),
  signatures: voteSignatures(1, 8),
});

const definedCodes = resultCodes.names.filter((name): name is ResultCode => name !== undefined);
export const transactionResult: Arbitrary<TransactionResult> = fc
  .record({
    txId: b32.map(asTxId),
    code: fc.constantFrom(...definedCodes),
    failedOperation: integer(0, limits.maxOperations),
    detail: fc.option(
      fc.record({
        subject: text(bounds.maxDetailBytes),
        actual: text(bounds.maxDetailBytes),
        needed: text(bounds.maxDetailBytes),
      }),
      { nil: undefined },
    ),
  })
  .map(({ detail, ...result }) =>
    result.code === 'OK'
      ? { ...result, failedOperation: 0 }
      : { ...result, ...(detail !== undefined && { detail }) },
  );

const headerBytes = bytesOf(1, bounds.maxHeaderBytes);

export const receipt: Arbitrary<Receipt> = fc.record({
  header: headerBytes,
  certificate: commitCertificate,
  result: bytesOf(1, bounds.maxResultBytes),
  index: integer(0, limits.maxBlockTransactions - 1),
  path: fc.array(b32, { maxLength: 14 }),
});

export const validatorSetChanges: Arbitrary<ValidatorSetChanges> = fc.record({
  changes: fc.array(
    fc.record({ header: headerBytes, certificate: commitCertificate, validatorSet: bytesOf(1, 200) }),
    { maxLength: 3 },
  ),
});

export const stateProof: Arbitrary<StateProof> = fc
  .record({
    header: headerBytes,
    certificate: fc.option(commitCertificate, { nil: undefined }),
    key: text(bounds.maxStateKeyBytes).filter((key) => key !== ''),
    value: fc.option(bytesOf(0, 60), { nil: undefined }),
    siblings: fc.array(fc.oneof(b32, fc.constant(new Uint8Array(0))), { maxLength: 30 }),
    other: fc.option(fc.tuple(b32, b32)),
  })
  .map(({ certificate, value, other, ...rest }) => ({
    ...rest,
    ...(certificate !== undefined && { certificate }),
    ...(value !== undefined && { value }),
    otherLeafPath: other === null ? new Uint8Array(0) : other[0],
    otherLeafValueHash: other === null ? new Uint8Array(0) : other[1],
  }));

export const member: Arbitrary<Member> = fc.record({
  member: memberId,
  name: text(limits.maxNameBytes),
  policy: keyPolicy,
  roles: fc.constantFrom<Role[][]>([], ['registrar'], ['assetAdmin'], ['registrar', 'assetAdmin']),
});
export const account: Arbitrary<Account> = fc
  .tuple(fc.record({ account: accountId, owner: memberId, openedHeight: height }), optionalPolicy)
  .map(([record, policy]) => ({ ...record, ...policy }));
export const asset: Arbitrary<Asset> = fc.record({
  asset: assetId,
  exponent: integer(0, limits.maxAssetExponent),
  issuer: memberId,
  name: text(limits.maxNameBytes),
});
export const supply: Arbitrary<Supply> = fc
  .tuple(amountFrom(0n), amountFrom(0n))
  .map(([a, b]) => (a > b ? { issued: a, burned: b } : { issued: b, burned: a }));
export const balance: Arbitrary<Balance> = fc.record({ amount });
export const hold: Arbitrary<Hold> = fc
  .record({
    holdId,
    fromAccount: accountId,
    toAccount: accountId,
    asset: assetId,
    amounts: fc.tuple(amount, amount),
    captor: memberId,
    expiresUnixMs: timeMs,
    hashLock,
    placedHeight: votedHeight,
  })
  .map(({ amounts: [a, b], ...rest }) => ({
    ...rest,
    amount: a > b ? a : b,
    remaining: a > b ? b : a,
  }));
export const appliedBlock: Arbitrary<AppliedBlock> = fc.record({
  idempotencyHashes: fc.array(b32.map(asHash), { maxLength: 20 }),
});
export const parameters: Arbitrary<Parameters> = fc.record({
  validityWindowBlocks: integer(1, limits.maxValidityWindowBlocks),
  maxBlockTransactions: integer(1, limits.maxBlockTransactions),
  maxBlockBytes: integer(1, limits.maxBlockBytes),
  maxClockSkewMs: integer(1, bounds.maxUint32),
  checkpointIntervalBlocks: integer(1, bounds.maxUint32),
  pipelineWindowBlocks: integer(1, limits.maxPipelineWindow),
});

export const validatorSet: Arbitrary<ValidatorSet> = fc.oneof(
  validators.map(firstValidatorSet),
  fc.record({
    validators,
    epoch: integer(1, limits.maxHeight),
    activationHeight: integer(1, limits.maxHeight).map(asHeight),
  }),
);
export const validatorSetProposal: Arbitrary<ValidatorSetProposal> = fc.record({
  proposal: proposeValidatorSet,
  approvals: fc
    .array(validatorId, { minLength: 1, maxLength: 5 })
    .map((items) => ascendingBy(items, (item) => item)),
});

export const governance: Arbitrary<Governance> = fc.record({
  rulesVersion: integer(1, bounds.maxRulesVersion),
  scheduled: fc
    .array(
      fc.record({ height: integer(1, limits.maxHeight).map(asHeight), change, proposalId: b32.map(asHash) }),
      {
        maxLength: 3,
      },
    )
    .map((items) => items.sort((left, right) => left.height - right.height)),
});
const voters = (minLength: number): Arbitrary<string[]> =>
  fc.array(validatorId, { minLength, maxLength: 4 }).map((items) => ascendingBy(items, (item) => item));
export const changeProposal: Arbitrary<ChangeProposal> = fc
  .record({
    proposal: proposeChange,
    approvals: voters(1),
    rejections: voters(0),
    status: fc.constantFrom<ProposalStatus[]>('open', 'decided', 'rejected', 'withdrawn'),
    closed: integer(1, limits.maxHeight).map(asHeight),
    effective: integer(1, limits.maxHeight).map(asHeight),
  })
  .map(({ closed, effective, ...rest }) => ({
    ...rest,
    closedHeight: rest.status === 'open' ? asHeight(0) : closed,
    effectiveHeight: rest.status === 'decided' ? effective : asHeight(0),
  }));

export const genesis: Arbitrary<Genesis> = fc
  .record({
    network: text(bounds.maxNetworkNameLength),
    timeMs: integer(0, limits.maxTimeMs),
    validators,
    members: fc.array(member, { maxLength: 3 }).map((items) => ascendingBy(items, (item) => item.member)),
    assets: fc.array(asset, { maxLength: 3 }).map((items) => ascendingBy(items, (item) => item.asset)),
    accounts: fc.array(account, { maxLength: 3 }).map((items) => ascendingBy(items, (item) => item.account)),
    balances: fc
      .array(fc.record({ account: accountId, asset: assetId, amount }), { maxLength: 4 })
      // U+0000 is below every character of an id, so this orders by account, then asset.
      .map((items) => ascendingBy(items, (item) => `${item.account}\0${item.asset}`)),
    parameters,
    rulesVersion: fc.option(integer(2, bounds.maxRulesVersion), { nil: undefined }),
  })
  .map(({ rulesVersion, ...rest }) => (rulesVersion === undefined ? rest : { ...rest, rulesVersion }));

export const checkpointStatement: Arbitrary<CheckpointStatement> = fc.record({
  chainId: b32.map(asChainId),
  validatorSetHash: b32.map(asHash),
  height: votedHeight,
  digest: b32.map(asDigest),
});

export const preparedCertificate: Arbitrary<PreparedCertificate> = fc.record({
  view,
  header: headerBytes,
  prePrepare: voteSignature,
  prepares: voteSignatures(0, 5),
});

export const viewChange: Arbitrary<ViewChange> = fc
  .record({
    chainId: b32.map(asChainId),
    validatorSetHash: b32.map(asHash),
    view,
    validator: validatorIndex,
    committed: fc.option(commitCertificate, { nil: undefined }),
    prepared: fc.array(preparedCertificate, { maxLength: 3 }),
  })
  .map(({ committed, ...rest }) => (committed === undefined ? rest : { ...rest, committed }));

export const signedViewChange: Arbitrary<SignedViewChange> = fc.record({
  kind: fc.constant('viewChange' as const),
  viewChange: bytesOf(1, 300),
  signature,
});

export const newView: Arbitrary<NewView> = fc
  .record({
    chainId: b32.map(asChainId),
    validatorSetHash: b32.map(asHash),
    view,
    validator: validatorIndex,
    viewChanges: fc.array(signedViewChange, { minLength: 1, maxLength: 4 }),
    first: integer(1, limits.maxHeight - 10),
    reproposals: fc.array(fc.record({ digest: b32.map(asDigest), signature }), { maxLength: 4 }),
  })
  .map(({ first, reproposals, ...rest }) => ({
    ...rest,
    reproposals: reproposals.map((item, index) => ({ height: asHeight(first + index), ...item })),
  }));

export const signedNewView: Arbitrary<SignedNewView> = fc.record({
  kind: fc.constant('newView' as const),
  newView: bytesOf(1, 300),
  signature,
});

const signedVote: Arbitrary<SignedVote> = fc.record({
  view,
  height: votedHeight,
  digest: b32.map(asDigest),
  signature: voteSignature,
});

export const consensusMessage: Arbitrary<ConsensusMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('prePrepare' as const),
    view,
    header: headerBytes,
    transactionHashes: fc.array(b32.map(asHash), { maxLength: 10 }),
    signature: voteSignature,
  }),
  signedVote.map((vote) => ({ kind: 'prepare' as const, ...vote })),
  signedVote.map((vote) => ({ kind: 'commit' as const, ...vote })),
  fc.record({
    kind: fc.constant('checkpoint' as const),
    height: votedHeight,
    digest: b32.map(asDigest),
    signature: voteSignature,
  }),
  signedViewChange,
  signedNewView,
);

export const evidence: Arbitrary<Evidence> = fc.record({
  validatorSetHash: b32.map(asHash),
  phase,
  first: signedVote,
  second: signedVote,
});

export const evidenceBundle: Arbitrary<EvidenceBundle> = fc.record({
  chainId: b32.map(asChainId),
  evidence: fc.array(evidence, { minLength: 1, maxLength: 3 }),
  setChanges: validatorSetChanges.map(({ changes }) => changes),
});
