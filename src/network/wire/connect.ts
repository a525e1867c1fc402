import type { ChainId, Result } from '../../types/index.js';
import { asChainId, err, limits, ok } from '../../types/index.js';
import type { Frame } from './frames.js';
import { decodeFrames } from './frames.js';
import {
  MalformedError,
  Reader,
  Writer,
  bytesTag,
  exactly,
  fieldSize,
  integerSize,
  integerTag,
} from './protobuf.js';
import { peerVersions } from './versions.js';

/** Says who speaks. */
export interface Hello {
  /** Of the side that dials: the oldest that it speaks; of the other one: what is spoken from now on. */
  readonly protocolVersion: number;
  readonly chainId: ChainId;
  readonly validator: string;
  readonly peer: string;
  /** 32 random bytes. */
  readonly nonce: Uint8Array;
}

/** ConnectRequest and ConnectResponse, which have the same bytes. */
export type ConnectMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'proof'; readonly signature: Uint8Array }
  | { readonly kind: 'frames'; readonly frames: readonly Frame[] };

const noBytes = new Uint8Array(0);
/** More than any Hello needs, room for fields of later versions included. */
const maxHelloBytes = 4096;
const field = { hello: 1, frames: 2, proof: 3 } as const;

/** Bytes that carry a Hello. */
export function encodeHello(hello: Hello): Buffer {
  const validator = Buffer.from(hello.validator);
  const peer = Buffer.from(hello.peer);
  const content =
    integerSize(hello.protocolVersion) +
    fieldSize(hello.chainId.length) +
    fieldSize(validator.length) +
    fieldSize(peer.length) +
    fieldSize(hello.nonce.length);
  return new Writer(fieldSize(content))
    .header(field.hello, content)
    .integer(1, hello.protocolVersion)
    .field(2, hello.chainId)
    .field(3, validator)
    .field(4, peer)
    .field(5, hello.nonce).bytes;
}

/** Bytes that carry a HelloProof. */
export function encodeProof(signature: Uint8Array): Buffer {
  const content = fieldSize(signature.length);
  return new Writer(fieldSize(content)).header(field.proof, content).field(1, signature).bytes;
}

/** Bytes that carry frames, given as the pieces that the encoders of frames.ts make. */
export function encodeFrames(pieces: readonly Uint8Array[]): Buffer {
  let content = 0;
  for (const piece of pieces) content += piece.length;
  const writer = new Writer(fieldSize(content)).header(field.frames, content);
  for (const piece of pieces) writer.raw(piece);
  return writer.bytes;
}

/**
 * Reads one message of the stream; the error says what is wrong with it. From a peer that is newer than this software,
 * frames and fields that are not known are passed over (docs/upgrades.md).
 */
export function decodeConnectMessage(bytes: Buffer, from?: 'newer'): Result<ConnectMessage, string> {
  try {
    return ok(decode(new Reader(bytes), from === 'newer'));
  } catch (error) {
    if (error instanceof MalformedError) return err(error.message);
    throw error;
  }
}

function decode(reader: Reader, lenient: boolean): ConnectMessage {
  if (reader.atEnd()) throw new MalformedError('the message is empty');
  const tag = reader.tag();
  let message: ConnectMessage;
  if (tag === bytesTag(field.frames))
    message = { kind: 'frames', frames: decodeFrames(reader.message(), lenient) };
  else if (tag === bytesTag(field.hello)) message = { kind: 'hello', hello: decodeHello(reader.message()) };
  else if (tag === bytesTag(field.proof)) {
    message = { kind: 'proof', signature: decodeProof(reader.message()) };
  } else if (lenient) return { kind: 'frames', frames: [] };
  else throw new MalformedError('the message has an unknown kind');
  if (!reader.atEnd()) throw new MalformedError('the message holds more than one thing');
  return message;
}

/** All fields must be there, in order; what follows them is for later versions. Of one that is too new to be read nothing
 * but the version is given. */
function decodeHello(reader: Reader): Hello {
  if (reader.remaining > maxHelloBytes) throw new MalformedError('a hello is too long');
  expectTag(reader, integerTag(1));
  const version = reader.varint(0xffff_ffff);
  try {
    return decodeGreeting(reader, version);
  } catch (error) {
    if (!(error instanceof MalformedError) || version <= peerVersions.newest) throw error;
    return { protocolVersion: version, chainId: asChainId(noBytes), validator: '', peer: '', nonce: noBytes };
  }
}

function decodeGreeting(reader: Reader, protocolVersion: number): Hello {
  const text = (): string => {
    const content = reader.content();
    if (content.length > limits.maxIdLength * 4) throw new MalformedError('an id is too long');
    return content.toString('utf8');
  };
  expectTag(reader, bytesTag(2));
  const chainId = asChainId(Buffer.from(exactly(reader.content(), 32)));
  expectTag(reader, bytesTag(3));
  const validator = text();
  expectTag(reader, bytesTag(4));
  const peer = text();
  expectTag(reader, bytesTag(5));
  const nonce = Buffer.from(exactly(reader.content(), 32));
  while (!reader.atEnd()) reader.pass(reader.tag());
  return { protocolVersion, chainId, validator, peer, nonce };
}

function expectTag(reader: Reader, tag: number): void {
  if (reader.atEnd() || reader.tag() !== tag) throw new MalformedError('a hello lacks a field');
}

function decodeProof(reader: Reader): Uint8Array {
  if (reader.atEnd() || reader.tag() !== bytesTag(1)) throw new MalformedError('a proof lacks its signature');
  const signature = Buffer.from(exactly(reader.content(), 64));
  if (!reader.atEnd()) throw new MalformedError('a proof has an unknown field');
  return signature;
}
