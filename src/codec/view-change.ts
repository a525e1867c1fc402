/** Messages of a view change and the certificates that they carry (peer/v1/consensus.proto). */
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asSignature,
  asValidatorIndex,
  asView,
  limits,
  type Result,
} from '../types/index.js';
import {
  byValidator,
  readCertificate,
  readVoteSignature,
  writeCertificate,
  writeVoteSignature,
} from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import type {
  NewView,
  PreparedCertificate,
  Reproposal,
  SignedNewView,
  SignedViewChange,
  ViewChange,
} from './model.js';
import type { Reader } from './reader.js';
import { bytes, message, repeated, schema, uint32, uint64 } from './schema.js';
import type { Writer } from './writer.js';

const preparedFields = schema('quaestor.peer.v1.PreparedCertificate', {
  view: uint64(1),
  header: bytes(2),
  prePrepare: message(3, 'quaestor.ledger.v1.VoteSignature'),
  prepares: repeated(4, 'quaestor.ledger.v1.VoteSignature'),
});
const viewChangeFields = schema('quaestor.peer.v1.ViewChange', {
  chainId: bytes(1),
  validatorSetHash: bytes(2),
  view: uint64(3),
  validator: uint32(4),
  committed: message(5, 'quaestor.ledger.v1.CommitCertificate'),
  prepared: repeated(6, 'quaestor.peer.v1.PreparedCertificate'),
});
const signedViewChangeFields = schema('quaestor.peer.v1.SignedViewChange', {
  viewChange: bytes(1),
  signature: bytes(2),
});
const newViewFields = schema('quaestor.peer.v1.NewView', {
  chainId: bytes(1),
  validatorSetHash: bytes(2),
  view: uint64(3),
  validator: uint32(4),
  viewChanges: repeated(5, 'quaestor.peer.v1.SignedViewChange'),
  reproposals: repeated(6, 'quaestor.peer.v1.Reproposal'),
});
const reproposalFields = schema('quaestor.peer.v1.Reproposal', {
  height: uint64(1),
  digest: bytes(2),
  signature: bytes(3),
});
const signedNewViewFields = schema('quaestor.peer.v1.SignedNewView', {
  newView: bytes(1),
  signature: bytes(2),
});

function writePrepared(writer: Writer, value: PreparedCertificate): void {
  writer.uint(preparedFields.view, value.view);
  writer.bytes(preparedFields.header, value.header);
  writer.message(preparedFields.prePrepare, value.prePrepare, writeVoteSignature);
  writer.messages(preparedFields.prepares, value.prepares, writeVoteSignature);
}

function readPrepared(reader: Reader): PreparedCertificate {
  const value: PreparedCertificate = {
    view: asView(reader.uint(preparedFields.view, 0, limits.maxView)),
    header: reader.bytes(preparedFields.header, 1, bounds.maxHeaderBytes),
    prePrepare: reader.requiredMessage(preparedFields.prePrepare, readVoteSignature),
    // None in a set of one validator, whose pre-prepare alone is a quorum.
    prepares: reader.messages(
      preparedFields.prepares,
      0,
      limits.maxValidators - 1,
      readVoteSignature,
      byValidator,
    ),
  };
  reader.end(preparedFields);
  return value;
}

function writeViewChange(writer: Writer, value: ViewChange): void {
  writer.bytes(viewChangeFields.chainId, value.chainId);
  writer.bytes(viewChangeFields.validatorSetHash, value.validatorSetHash);
  writer.uint(viewChangeFields.view, value.view);
  writer.uint(viewChangeFields.validator, value.validator);
  writer.message(viewChangeFields.committed, value.committed, writeCertificate);
  writer.messages(viewChangeFields.prepared, value.prepared, writePrepared);
}

function readViewChange(reader: Reader): ViewChange {
  const chainId = asChainId(reader.fixed(viewChangeFields.chainId, 32));
  const validatorSetHash = asHash(reader.fixed(viewChangeFields.validatorSetHash, 32));
  const view = asView(reader.uint(viewChangeFields.view, 0, limits.maxView));
  const validator = asValidatorIndex(reader.uint(viewChangeFields.validator, 0, limits.maxValidators - 1));
  const committed = reader.message(viewChangeFields.committed, readCertificate);
  const prepared = reader.messages(viewChangeFields.prepared, 0, limits.maxPipelineWindow, readPrepared);
  reader.end(viewChangeFields);
  return {
    chainId,
    validatorSetHash,
    view,
    validator,
    ...(committed !== undefined && { committed }),
    prepared,
  };
}

/** Content of a SignedViewChange. */
export function writeSignedViewChange(writer: Writer, value: SignedViewChange): void {
  writer.bytes(signedViewChangeFields.viewChange, value.viewChange);
  writer.bytes(signedViewChangeFields.signature, value.signature);
}

/** Content of a SignedViewChange. */
export function readSignedViewChange(reader: Reader): SignedViewChange {
  const value: SignedViewChange = {
    kind: 'viewChange',
    viewChange: reader.bytes(signedViewChangeFields.viewChange, 1, bounds.maxViewChangeBytes),
    signature: asSignature(reader.fixed(signedViewChangeFields.signature, 64)),
  };
  reader.end(signedViewChangeFields);
  return value;
}

function writeReproposal(writer: Writer, value: Reproposal): void {
  writer.uint(reproposalFields.height, value.height);
  writer.bytes(reproposalFields.digest, value.digest);
  writer.bytes(reproposalFields.signature, value.signature);
}

function readReproposal(reader: Reader): Reproposal {
  const value: Reproposal = {
    height: asHeight(reader.uint(reproposalFields.height, 1, limits.maxHeight)),
    digest: asDigest(reader.fixed(reproposalFields.digest, 32)),
    signature: asSignature(reader.fixed(reproposalFields.signature, 64)),
  };
  reader.end(reproposalFields);
  return value;
}

function writeNewView(writer: Writer, value: NewView): void {
  writer.bytes(newViewFields.chainId, value.chainId);
  writer.bytes(newViewFields.validatorSetHash, value.validatorSetHash);
  writer.uint(newViewFields.view, value.view);
  writer.uint(newViewFields.validator, value.validator);
  writer.messages(newViewFields.viewChanges, value.viewChanges, writeSignedViewChange);
  writer.messages(newViewFields.reproposals, value.reproposals, writeReproposal);
}

function readNewView(reader: Reader): NewView {
  const value: NewView = {
    chainId: asChainId(reader.fixed(newViewFields.chainId, 32)),
    validatorSetHash: asHash(reader.fixed(newViewFields.validatorSetHash, 32)),
    view: asView(reader.uint(newViewFields.view, 0, limits.maxView)),
    validator: asValidatorIndex(reader.uint(newViewFields.validator, 0, limits.maxValidators - 1)),
    viewChanges: reader.messages(newViewFields.viewChanges, 1, limits.maxValidators, readSignedViewChange),
    reproposals: reader.messages(
      newViewFields.reproposals,
      0,
      // A window of ancestors of the base, and one of blocks above it.
      2 * limits.maxPipelineWindow,
      readReproposal,
      (previous, next) => next.height === previous.height + 1,
    ),
  };
  reader.end(newViewFields);
  return value;
}

/** Content of a SignedNewView. */
export function writeSignedNewView(writer: Writer, value: SignedNewView): void {
  writer.bytes(signedNewViewFields.newView, value.newView);
  writer.bytes(signedNewViewFields.signature, value.signature);
}

/** Content of a SignedNewView. */
export function readSignedNewView(reader: Reader): SignedNewView {
  const value: SignedNewView = {
    kind: 'newView',
    newView: reader.bytes(signedNewViewFields.newView, 1, bounds.maxNewViewBytes),
    signature: asSignature(reader.fixed(signedNewViewFields.signature, 64)),
  };
  reader.end(signedNewViewFields);
  return value;
}

/** Canonical bytes of a prepared certificate. The prepares must be in ascending order of validator already. */
export const encodePreparedCertificate: (value: PreparedCertificate) => Uint8Array = encoder(
  'PreparedCertificate',
  writePrepared,
);
/** Reads a prepared certificate, not the header in it. The byte values of the result are views of `bytes`. */
export const decodePreparedCertificate: (bytes: Uint8Array) => Result<PreparedCertificate, CodecError> =
  decoder('PreparedCertificate', bounds.maxPreparedCertificateBytes, readPrepared);

/** Canonical bytes of a view-change: what is signed behind `tags.viewChange`. */
export const encodeViewChange: (value: ViewChange) => Uint8Array = encoder('ViewChange', writeViewChange);
/** Reads a view-change, not the headers in it, on which the order of `prepared` depends. Values are views. */
export const decodeViewChange: (bytes: Uint8Array) => Result<ViewChange, CodecError> = decoder(
  'ViewChange',
  bounds.maxViewChangeBytes,
  readViewChange,
);

/** Canonical bytes of a signed view-change. */
export const encodeSignedViewChange: (value: SignedViewChange) => Uint8Array = encoder(
  'SignedViewChange',
  writeSignedViewChange,
);
/** Reads a signed view-change, not the view-change in it. The byte values of the result are views of `bytes`. */
export const decodeSignedViewChange: (bytes: Uint8Array) => Result<SignedViewChange, CodecError> = decoder(
  'SignedViewChange',
  bounds.maxViewChangeBytes + 128,
  readSignedViewChange,
);

/** Canonical bytes of a new-view: what is signed behind `tags.newView`. */
export const encodeNewView: (value: NewView) => Uint8Array = encoder('NewView', writeNewView);
/** Reads a new-view, not the view-changes in it, on which their order depends. Values are views of `bytes`. */
export const decodeNewView: (bytes: Uint8Array) => Result<NewView, CodecError> = decoder(
  'NewView',
  bounds.maxNewViewBytes,
  readNewView,
);

/** Canonical bytes of a signed new-view. */
export const encodeSignedNewView: (value: SignedNewView) => Uint8Array = encoder(
  'SignedNewView',
  writeSignedNewView,
);
/** Reads a signed new-view, not the new-view in it. The byte values of the result are views of `bytes`. */
export const decodeSignedNewView: (bytes: Uint8Array) => Result<SignedNewView, CodecError> = decoder(
  'SignedNewView',
  bounds.maxNewViewBytes + 128,
  readSignedNewView,
);
