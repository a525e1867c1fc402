/**
 * SubmitStream with as little work per transaction as can be: messages are put together from bytes that were signed
 * before, and of an answer only the numbers are read. What a load generator wants, so that it does not measure itself.
 */
import { Client, Metadata, type ClientDuplexStream } from '@grpc/grpc-js';
import type { ClientTls } from '../../src/client/index.js';
import { channelCredentials, serverName } from '../../src/client/tls.js';

export interface Answers {
  /** Calls back for each final transaction, by the number that it was sent with. */
  finalized(number: number): void;
  refused(message: Uint8Array): void;
  /** The whole answer, for those who want to look at it later. */
  message(bytes: Buffer): void;
  failed(error: Error): void;
}

const identity = (bytes: Buffer): Buffer => bytes;

export class LeanStream {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  bytesSent = 0;
  bytesReceived = 0;

  constructor(address: string, tls: ClientTls, network: string, answers: Answers) {
    this.#client = new Client(address, channelCredentials(tls, network), {
      'grpc.ssl_target_name_override': serverName,
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#call = this.#client.makeBidiStreamRequest(
      '/quaestor.ledger.v1.LedgerService/SubmitStream',
      identity,
      identity,
      new Metadata(),
    );
    this.#call.on('data', (bytes: Buffer) => {
      this.bytesReceived += bytes.length;
      answers.message(bytes);
      readAnswer(bytes, answers);
    });
    this.#call.on('error', (error) => answers.failed(error));
  }

  /** Sends envelopes; they have the numbers from `firstNumber` on. */
  send(envelopes: readonly Uint8Array[], firstNumber: number): void {
    let length = 11;
    for (const envelope of envelopes) length += 1 + varintLength(envelope.length) + envelope.length;
    const message = Buffer.allocUnsafe(length);
    let offset = 0;
    for (const envelope of envelopes) {
      message[offset++] = 0x0a;
      offset = writeVarint(message, offset, envelope.length);
      message.set(envelope, offset);
      offset += envelope.length;
    }
    message[offset++] = 0x10;
    offset = writeVarint(message, offset, firstNumber);
    this.bytesSent += offset;
    this.#call.write(message.subarray(0, offset));
  }

  close(): void {
    this.#call.on('error', () => undefined);
    this.#call.cancel();
    this.#client.close();
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function writeVarint(target: Uint8Array, start: number, value: number): number {
  let offset = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[offset++] = (rest % 128) | 0x80;
  target[offset++] = rest;
  return offset;
}

let cursor = 0;

function readVarint(bytes: Buffer): number {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[cursor++];
    if (byte === undefined) throw new RangeError('an answer ends too early');
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
}

/** Reads the length-delimited fields of a message from the cursor to `end`; the visitor is given the bounds of each. */
function fields(
  bytes: Buffer,
  end: number,
  visit: (field: number, start: number, stop: number) => void,
): void {
  while (cursor < end) {
    const tag = readVarint(bytes);
    if ((tag & 7) === 0) {
      const start = cursor;
      readVarint(bytes);
      visit(tag >>> 3, start, cursor);
      continue;
    }
    if ((tag & 7) !== 2) throw new RangeError('an answer has an unknown kind of field');
    const length = readVarint(bytes);
    const start = cursor;
    visit(tag >>> 3, start, start + length);
    cursor = start + length;
  }
}

function readAnswer(bytes: Buffer, answers: Answers): void {
  cursor = 0;
  fields(bytes, bytes.length, (field, start, stop) => {
    if (field === 2) answers.refused(bytes.subarray(start, stop));
    if (field !== 1) return;
    cursor = start;
    fields(bytes, stop, (batchField, from) => {
      if (batchField !== 3) return;
      // The number is the first field, and left out when it is 0.
      cursor = from;
      answers.finalized(readVarint(bytes) === 0x08 ? readVarint(bytes) : 0);
    });
  });
}
