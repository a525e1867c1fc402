/** Messages between a validator and its remote signer (signer/v1/signer_service.proto). */
import {
  asChainId,
  asHeight,
  asPublicKey,
  asSignature,
  limits,
  unreachable,
  type Result,
} from '../types/index.js';
import { readCertificate, writeCertificate } from './block.js';
import { bounds } from './bounds.js';
import { decoder, encoder } from './codec.js';
import type { CodecError } from './errors.js';
import type {
  Finality,
  HelloStatement,
  SignContent,
  SignerInfo,
  SignOutcome,
  SignRequest,
  SignResponse,
} from './model.js';
import { readSetChange, writeSetChange } from './proof.js';
import type { Reader } from './reader.js';
import { bytes, message, oneof, repeated, schema, string, uint32, uint64 } from './schema.js';
import type { Writer } from './writer.js';

const requestFields = schema('quaestor.signer.v1.SignRequest', {
  id: uint64(1),
  vote: oneof(2, 'bytes'),
  checkpoint: oneof(3, 'bytes'),
  viewChange: oneof(4, 'bytes'),
  newView: oneof(5, 'bytes'),
  hello: oneof(6, 'quaestor.signer.v1.HelloStatement'),
  entered: oneof(7, 'bytes'),
  finality: oneof(8, 'quaestor.signer.v1.Finality'),
});
const helloFields = schema('quaestor.signer.v1.HelloStatement', {
  chainId: bytes(1),
  nonceReceived: bytes(2),
  nonceSent: bytes(3),
  signerFingerprint: bytes(4),
  receiverFingerprint: bytes(5),
});
const finalityFields = schema('quaestor.signer.v1.Finality', {
  setChanges: repeated(1, 'quaestor.ledger.v1.ValidatorSetChange'),
  certificate: message(2, 'quaestor.ledger.v1.CommitCertificate'),
});
const responseFields = schema('quaestor.signer.v1.SignResponse', {
  id: uint64(1),
  signature: oneof(2, 'bytes'),
  refusal: oneof(3, 'quaestor.signer.v1.Refusal'),
  taken: oneof(4, 'quaestor.signer.v1.Taken'),
  info: oneof(5, 'quaestor.signer.v1.SignerInfo'),
});
const refusalFields = schema('quaestor.signer.v1.Refusal', { code: string(1), message: string(2) });
const takenFields = schema('quaestor.signer.v1.Taken', {});
const infoFields = schema('quaestor.signer.v1.SignerInfo', {
  protocolVersion: uint32(1),
  publicKey: bytes(2),
  chainId: bytes(3),
  finalHeight: uint64(4),
});

const maxCodeBytes = 64;
const maxMessageBytes = 1024;

function writeHello(writer: Writer, value: HelloStatement): void {
  writer.bytes(helloFields.chainId, value.chainId);
  writer.bytes(helloFields.nonceReceived, value.nonceReceived);
  writer.bytes(helloFields.nonceSent, value.nonceSent);
  writer.bytes(helloFields.signerFingerprint, value.signerFingerprint);
  writer.bytes(helloFields.receiverFingerprint, value.receiverFingerprint);
}

function readHello(reader: Reader): HelloStatement {
  const value: HelloStatement = {
    chainId: asChainId(reader.fixed(helloFields.chainId, 32)),
    nonceReceived: reader.fixed(helloFields.nonceReceived, 32),
    nonceSent: reader.fixed(helloFields.nonceSent, 32),
    signerFingerprint: reader.fixed(helloFields.signerFingerprint, 32),
    receiverFingerprint: reader.fixed(helloFields.receiverFingerprint, 32),
  };
  reader.end(helloFields);
  return value;
}

function writeFinality(writer: Writer, value: Finality): void {
  writer.messages(finalityFields.setChanges, value.setChanges, writeSetChange);
  writer.message(finalityFields.certificate, value.certificate, writeCertificate);
}

function readFinality(reader: Reader): Finality {
  const value: Finality = {
    setChanges: reader.messages(finalityFields.setChanges, 0, limits.maxValidatorSetChanges, readSetChange),
    certificate: reader.requiredMessage(finalityFields.certificate, readCertificate),
  };
  reader.end(finalityFields);
  return value;
}

function writeContent(writer: Writer, value: SignContent): void {
  switch (value.kind) {
    case 'vote':
    case 'checkpoint':
    case 'viewChange':
    case 'newView':
    case 'entered': {
      writer.item(requestFields[value.kind], value.bytes);
      return;
    }
    case 'hello': {
      writer.message(requestFields.hello, value.hello, writeHello);
      return;
    }
    case 'finality': {
      writer.message(requestFields.finality, value.finality, writeFinality);
      return;
    }
    default:
      return unreachable(value);
  }
}

function writeRequest(writer: Writer, value: SignRequest): void {
  writer.uint(requestFields.id, value.id);
  writeContent(writer, value.content);
}

function readContent(reader: Reader): SignContent | undefined {
  const { vote, checkpoint, viewChange, newView, hello, entered, finality } = requestFields;
  for (const [kind, field, maxBytes] of [
    ['vote', vote, bounds.maxHeaderBytes],
    ['checkpoint', checkpoint, bounds.maxHeaderBytes],
    ['viewChange', viewChange, bounds.maxViewChangeBytes],
    ['newView', newView, bounds.maxNewViewBytes],
  ] as const) {
    const content = reader.optionalBytes(field, maxBytes);
    if (content !== undefined) return { kind, bytes: content };
  }
  const greeting = reader.message(hello, readHello);
  if (greeting !== undefined) return { kind: 'hello', hello: greeting };
  const proof = reader.optionalBytes(entered, bounds.maxNewViewBytes + 128);
  if (proof !== undefined) return { kind: 'entered', bytes: proof };
  const final = reader.message(finality, readFinality);
  return final && { kind: 'finality', finality: final };
}

function readRequest(reader: Reader): SignRequest {
  const id = reader.uint(requestFields.id, 1, Number.MAX_SAFE_INTEGER);
  const content = readContent(reader);
  reader.end(requestFields);
  if (content === undefined) reader.fail('MISSING_FIELD', undefined, 'asks for nothing that is known');
  return { id, content };
}

function writeInfo(writer: Writer, value: SignerInfo): void {
  writer.uint(infoFields.protocolVersion, value.protocolVersion);
  writer.bytes(infoFields.publicKey, value.publicKey);
  writer.bytes(infoFields.chainId, value.chainId);
  writer.uint(infoFields.finalHeight, value.finalHeight);
}

function readInfo(reader: Reader): SignerInfo {
  const value: SignerInfo = {
    protocolVersion: reader.uint(infoFields.protocolVersion, 1, bounds.maxUint32),
    publicKey: asPublicKey(reader.fixed(infoFields.publicKey, 32)),
    chainId: asChainId(reader.fixed(infoFields.chainId, 32)),
    finalHeight: asHeight(reader.uint(infoFields.finalHeight, 0, limits.maxHeight)),
  };
  reader.end(infoFields);
  return value;
}

function writeOutcome(writer: Writer, value: SignOutcome): void {
  switch (value.kind) {
    case 'signature': {
      writer.item(responseFields.signature, value.signature);
      return;
    }
    case 'refusal': {
      writer.message(responseFields.refusal, value, (inner, refusal) => {
        inner.text(refusalFields.code, refusal.code);
        inner.text(refusalFields.message, refusal.message);
      });
      return;
    }
    case 'taken': {
      writer.message(responseFields.taken, value, () => undefined);
      return;
    }
    case 'info': {
      writer.message(responseFields.info, value.info, writeInfo);
      return;
    }
    default:
      return unreachable(value);
  }
}

function readOutcome(reader: Reader): SignOutcome | undefined {
  const signature = reader.optionalBytes(responseFields.signature, 64);
  if (signature !== undefined) return { kind: 'signature', signature: asSignature(signature) };
  const refusal = reader.message(responseFields.refusal, (inner) => {
    const code = inner.text(refusalFields.code, maxCodeBytes);
    const sentence = inner.text(refusalFields.message, maxMessageBytes);
    inner.end(refusalFields);
    return { kind: 'refusal', code, message: sentence } as const;
  });
  if (refusal !== undefined) return refusal;
  const taken = reader.message(responseFields.taken, (inner) => {
    inner.end(takenFields);
    return { kind: 'taken' } as const;
  });
  if (taken !== undefined) return taken;
  const info = reader.message(responseFields.info, readInfo);
  return info && { kind: 'info', info };
}

function writeResponse(writer: Writer, value: SignResponse): void {
  writer.uint(responseFields.id, value.id);
  writeOutcome(writer, value.outcome);
}

function readResponse(reader: Reader): SignResponse {
  const id = reader.uint(responseFields.id, 0, Number.MAX_SAFE_INTEGER);
  const outcome = readOutcome(reader);
  reader.end(responseFields);
  if (outcome === undefined) reader.fail('MISSING_FIELD', undefined, 'has no outcome that is known');
  return { id, outcome };
}

/** Bytes of a request to a signer. */
export const encodeSignRequest: (value: SignRequest) => Uint8Array = encoder('SignRequest', writeRequest);
/** Reads a request to a signer, not the canonical bytes nested in it. Byte values are views of `bytes`. */
export const decodeSignRequest: (bytes: Uint8Array) => Result<SignRequest, CodecError> = decoder(
  'SignRequest',
  bounds.maxSignRequestBytes,
  readRequest,
);

/** Bytes of a signer's answer. */
export const encodeSignResponse: (value: SignResponse) => Uint8Array = encoder('SignResponse', writeResponse);
/** Reads a signer's answer. Byte values are views of `bytes`. */
export const decodeSignResponse: (bytes: Uint8Array) => Result<SignResponse, CodecError> = decoder(
  'SignResponse',
  bounds.maxSignResponseBytes,
  readResponse,
);
