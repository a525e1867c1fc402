/**
 * Conversion between the model and the objects that the gRPC library sends and gives (proto-loader with camelCase
 * names, numbers for 64-bit integers, strings for enums, Buffers for bytes). What comes from the wire is checked by
 * the same rules as canonical bytes: it is encoded and read back, so nothing of the library's objects is kept.
 */
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asPublicKey,
  asSignature,
  asTxId,
  asValidatorIndex,
  asView,
  err,
  type Result,
} from '../types/index.js';
import {
  decodeBlockHeader,
  decodeCommitCertificate,
  decodeTransactionResult,
  encodeBlockHeader,
  encodeCommitCertificate,
  encodeTransactionResult,
} from './block.js';
import { encodeChecked } from './codec.js';
import { resultCodes } from './enums.js';
import { CodecError } from './errors.js';
import type {
  Account,
  Asset,
  BlockHeader,
  CommitCertificate,
  KeyPolicy,
  Member,
  Receipt,
  ResultCode,
  Role,
  StateProof,
  TransactionEnvelope,
  TransactionResult,
} from './model.js';
import { decodeReceipt, decodeStateProof, encodeReceipt, encodeStateProof } from './proof.js';
import {
  decodeAccount,
  decodeAsset,
  decodeMember,
  encodeAccount,
  encodeAsset,
  encodeMember,
} from './state.js';
import { decodeTransactionEnvelope, encodeTransactionEnvelope } from './transaction.js';
import type {
  Account as WireAccount,
  Account__Output as AccountOutput,
} from './wire/quaestor/ledger/v1/Account.js';
import type { Asset as WireAsset, Asset__Output as AssetOutput } from './wire/quaestor/ledger/v1/Asset.js';
import type {
  BlockHeader as WireHeader,
  BlockHeader__Output as HeaderOutput,
} from './wire/quaestor/ledger/v1/BlockHeader.js';
import type {
  CommitCertificate as WireCertificate,
  CommitCertificate__Output as CertificateOutput,
} from './wire/quaestor/ledger/v1/CommitCertificate.js';
import type {
  KeyPolicy as WireKeyPolicy,
  KeyPolicy__Output as KeyPolicyOutput,
} from './wire/quaestor/ledger/v1/KeyPolicy.js';
import type {
  Member as WireMember,
  Member__Output as MemberOutput,
} from './wire/quaestor/ledger/v1/Member.js';
import type {
  Receipt as WireReceipt,
  Receipt__Output as ReceiptOutput,
} from './wire/quaestor/ledger/v1/Receipt.js';
import type {
  StateProof as WireStateProof,
  StateProof__Output as StateProofOutput,
} from './wire/quaestor/ledger/v1/StateProof.js';
import type {
  TransactionEnvelope as WireEnvelope,
  TransactionEnvelope__Output as EnvelopeOutput,
} from './wire/quaestor/ledger/v1/TransactionEnvelope.js';
import type {
  TransactionResult as WireResult,
  TransactionResult__Output as ResultOutput,
} from './wire/quaestor/ledger/v1/TransactionResult.js';

/** The objects may come from another peer's library with any values: only the codec judges them. */
function checked<T>(
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<T, CodecError>,
  value: T,
): Result<T, CodecError> {
  try {
    return decode(encode(value));
  } catch (error) {
    if (error instanceof CodecError) return err(error);
    throw error;
  }
}

const missing = (message: string, path: string): { readonly ok: false; readonly error: CodecError } =>
  err(new CodecError('MISSING_FIELD', message, path, 0, 'is missing'));

const unknownEnum = (message: string, path: string): { readonly ok: false; readonly error: CodecError } =>
  err(new CodecError('BAD_VALUE', message, path, 0, 'is not a known value of its enum'));

// ---- transactions ----

/** An envelope for a message to send. */
export function envelopeToWire(value: TransactionEnvelope): WireEnvelope {
  return { payload: value.payload, signatures: value.signatures.map((signature) => ({ ...signature })) };
}

const envelopeModel = (wire: EnvelopeOutput): TransactionEnvelope => ({
  payload: wire.payload,
  signatures: wire.signatures.map(({ publicKey, signature }) => ({
    publicKey: asPublicKey(publicKey),
    signature: asSignature(signature),
  })),
});

/** An envelope from a message received, bounds checked. */
export function envelopeFromWire(wire: EnvelopeOutput): Result<TransactionEnvelope, CodecError> {
  return checked(encodeTransactionEnvelope, decodeTransactionEnvelope, envelopeModel(wire));
}

/** Canonical bytes of an envelope from a message received, bounds checked. */
export function envelopeBytesFromWire(wire: EnvelopeOutput): Result<Uint8Array, CodecError> {
  return encodeChecked(encodeTransactionEnvelope, decodeTransactionEnvelope, envelopeModel(wire));
}

// ---- blocks ----

/** A header for a message to send. */
export function headerToWire(value: BlockHeader): WireHeader {
  const { timeMs, ...same } = value;
  return { ...same, timeUnixMs: timeMs };
}

/** A header from a message received, bounds checked. */
export function headerFromWire(wire: HeaderOutput): Result<BlockHeader, CodecError> {
  if (wire.version !== 1) {
    return err(
      new CodecError('BAD_VALUE', 'BlockHeader', 'version', 0, `is ${wire.version}; this software knows 1`),
    );
  }
  return checked(encodeBlockHeader, decodeBlockHeader, {
    version: 1,
    chainId: asChainId(wire.chainId),
    height: asHeight(wire.height),
    view: asView(wire.view),
    prevHash: asDigest(wire.prevHash),
    transactionsRoot: asHash(wire.transactionsRoot),
    resultsRoot: asHash(wire.resultsRoot),
    stateRoot: asHash(wire.stateRoot),
    validatorSetHash: asHash(wire.validatorSetHash),
    nextValidatorSetHash: asHash(wire.nextValidatorSetHash),
    timeMs: wire.timeUnixMs,
    proposer: asValidatorIndex(wire.proposer),
    transactionCount: wire.transactionCount,
  });
}

/** A certificate for a message to send. */
export function certificateToWire(value: CommitCertificate): WireCertificate {
  return { ...value, signatures: value.signatures.map((signature) => ({ ...signature })) };
}

const certificateModel = (wire: CertificateOutput): CommitCertificate => ({
  view: asView(wire.view),
  height: asHeight(wire.height),
  digest: asDigest(wire.digest),
  signatures: wire.signatures.map(({ validator, signature }) => ({
    validator: asValidatorIndex(validator),
    signature: asSignature(signature),
  })),
});

/** A certificate from a message received, bounds checked; its signatures are for src/verify. */
export function certificateFromWire(wire: CertificateOutput | null): Result<CommitCertificate, CodecError> {
  if (wire === null) return missing('CommitCertificate', '');
  return checked(encodeCommitCertificate, decodeCommitCertificate, certificateModel(wire));
}

const resultCodeByWireName = new Map<string, ResultCode>(
  resultCodes.names.flatMap((code) => (code === undefined ? [] : [[`RESULT_CODE_${code}`, code] as const])),
);

/** A result for a message to send. */
export function resultToWire(value: TransactionResult): WireResult {
  return { ...value, code: `RESULT_CODE_${value.code}` };
}

/** A result from a message received, bounds checked. */
export function resultFromWire(wire: ResultOutput): Result<TransactionResult, CodecError> {
  const code = resultCodeByWireName.get(wire.code);
  if (code === undefined) return unknownEnum('TransactionResult', 'code');
  return checked(encodeTransactionResult, decodeTransactionResult, {
    txId: asTxId(wire.txId),
    code,
    failedOperation: wire.failedOperation,
    ...(wire.detail !== null && { detail: wire.detail }),
  });
}

/** A receipt for a message to send. */
export function receiptToWire(value: Receipt): WireReceipt {
  return { ...value, certificate: certificateToWire(value.certificate), path: [...value.path] };
}

/** A receipt from a message received, bounds checked; what it proves is for src/verify. */
export function receiptFromWire(wire: ReceiptOutput | null): Result<Receipt, CodecError> {
  if (wire === null) return missing('Receipt', '');
  if (wire.certificate === null) return missing('Receipt', 'certificate');
  return checked(encodeReceipt, decodeReceipt, {
    header: wire.header,
    certificate: certificateModel(wire.certificate),
    result: wire.result,
    index: wire.index,
    path: wire.path,
  });
}

/** A state proof for a message to send. */
export function stateProofToWire(value: StateProof): WireStateProof {
  const { certificate, siblings, ...same } = value;
  return {
    ...same,
    siblings: [...siblings],
    ...(certificate !== undefined && { certificate: certificateToWire(certificate) }),
  };
}

/** A state proof from a message received, bounds checked; what it proves is for src/verify. */
export function stateProofFromWire(wire: StateProofOutput): Result<StateProof, CodecError> {
  const { certificate, value } = wire;
  return checked(encodeStateProof, decodeStateProof, {
    header: wire.header,
    ...(certificate !== null && { certificate: certificateModel(certificate) }),
    key: wire.key,
    ...(value !== undefined && { value }),
    siblings: wire.siblings,
    otherLeafPath: wire.otherLeafPath,
    otherLeafValueHash: wire.otherLeafValueHash,
  });
}

// ---- records of the state ----

const policyToWire = (value: KeyPolicy): WireKeyPolicy => ({
  threshold: value.threshold,
  keys: value.keys.map((key) => ({ ...key })),
});

const policyModel = (wire: KeyPolicyOutput): KeyPolicy => ({
  threshold: wire.threshold,
  keys: wire.keys.map(({ publicKey, weight }) => ({ publicKey: asPublicKey(publicKey), weight })),
});

/** An account for a message to send. */
export function accountToWire(value: Account): WireAccount {
  const { policy, ...same } = value;
  return { ...same, ...(policy !== undefined && { policy: policyToWire(policy) }) };
}

/** An account from a message received, bounds checked. */
export function accountFromWire(wire: AccountOutput): Result<Account, CodecError> {
  return checked(encodeAccount, decodeAccount, {
    account: wire.account,
    owner: wire.owner,
    ...(wire.policy !== null && { policy: policyModel(wire.policy) }),
    openedHeight: asHeight(wire.openedHeight),
  });
}

/** An asset for a message to send. */
export function assetToWire(value: Asset): WireAsset {
  return { ...value };
}

/** An asset from a message received, bounds checked. */
export function assetFromWire(wire: AssetOutput): Result<Asset, CodecError> {
  const { asset, exponent, issuer, name } = wire;
  return checked(encodeAsset, decodeAsset, { asset, exponent, issuer, name });
}

const roleToWire = { registrar: 'ROLE_REGISTRAR', assetAdmin: 'ROLE_ASSET_ADMIN' } as const;
const roleByWireName = new Map<string, Role>([
  ['ROLE_REGISTRAR', 'registrar'],
  ['ROLE_ASSET_ADMIN', 'assetAdmin'],
]);

/** A member for a message to send. */
export function memberToWire(value: Member): WireMember {
  return {
    member: value.member,
    name: value.name,
    policy: policyToWire(value.policy),
    roles: value.roles.map((role) => roleToWire[role]),
  };
}

/** A member from a message received, bounds checked. */
export function memberFromWire(wire: MemberOutput): Result<Member, CodecError> {
  if (wire.policy === null) return missing('Member', 'policy');
  const roles: Role[] = [];
  for (const name of wire.roles) {
    const role = roleByWireName.get(name);
    if (role === undefined) return unknownEnum('Member', 'roles');
    roles.push(role);
  }
  return checked(encodeMember, decodeMember, {
    member: wire.member,
    name: wire.name,
    policy: policyModel(wire.policy),
    roles,
  });
}
