import { describe, expect, it } from '@jest/globals';
import { loadSync } from '@grpc/proto-loader';
import fc from 'fast-check';
import type { MethodDefinition } from '@grpc/grpc-js';
import {
  decodeConnectMessage,
  encodeFrames,
  encodeHello,
  encodeProof,
} from '../../../src/network/wire/connect.js';
import {
  decodeFetchBlocksRequest,
  decodeFetchedBlock,
  encodeFetchBlocksRequest,
  encodeFetchedBlock,
} from '../../../src/network/wire/blocks.js';
import {
  decodeFetchedState,
  decodeFetchStateRequest,
  encodeFetchedState,
  encodeFetchStateRequest,
} from '../../../src/network/wire/state.js';
import type { Frame } from '../../../src/network/wire/frames.js';
import {
  encodeBodiesFrame,
  encodeConsensusFrame,
  encodeEvidenceFrame,
  encodeFetchBodiesFrame,
  encodeStatusFrame,
  encodeTransactionsFrame,
  maxFramesPerBatch,
} from '../../../src/network/wire/frames.js';
import {
  asChainId,
  asDigest,
  asHash,
  asHeight,
  asStateKey,
  asView,
  limits,
} from '../../../src/types/index.js';
import { certifiedChain } from '../../helpers/certified-chain.js';

/** The general implementation as an independent opinion. */
const service = loadSync('quaestor/peer/v1/peer_service.proto', {
  includeDirs: ['proto'],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  arrays: true,
})['quaestor.peer.v1.PeerService'] as Record<string, MethodDefinition<object, object>>;
const connect = service['Connect']!;
const fetch = service['FetchBlocks']!;
const fetchState = service['FetchState']!;

const bytes = (constraints: { minLength?: number; maxLength?: number }) =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
const bytes32 = bytes({ minLength: 32, maxLength: 32 });
const height = fc.integer({ min: 0, max: limits.maxHeight }).map(asHeight);
const envelopes = fc.array(bytes({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 5 });
const hashes = fc.array(bytes32.map(asHash), { maxLength: 4 });
const digest = bytes32.map(asDigest);

const frame: fc.Arbitrary<Frame> = fc.oneof(
  bytes({ minLength: 1, maxLength: 400 }).map((message) => ({ kind: 'consensus', message }) as const),
  envelopes.map((list) => ({ kind: 'transactions', envelopes: list }) as const),
  fc
    .record({
      view: fc.integer({ min: 0, max: limits.maxView }).map(asView),
      viewChangeInProgress: fc.boolean(),
      committedHeight: height,
      stableCheckpointHeight: height,
    })
    .map((status) => ({ kind: 'status', status }) as const),
  fc.record({ kind: fc.constant('fetchBodies' as const), digest, transactionHashes: hashes }),
  fc.record({
    kind: fc.constant('bodies' as const),
    digest,
    transactionHashes: hashes,
    envelopes: fc.oneof(fc.constant([]), envelopes),
  }),
  fc.record({ kind: fc.constant('evidence' as const), evidence: bytes({ minLength: 1, maxLength: 512 }) }),
);

function encode(item: Frame): Buffer {
  switch (item.kind) {
    case 'consensus':
      return encodeConsensusFrame(item.message);
    case 'transactions':
      return encodeTransactionsFrame(item.envelopes);
    case 'status':
      return encodeStatusFrame(item.status);
    case 'fetchBodies':
      return encodeFetchBodiesFrame(item.digest, item.transactionHashes);
    case 'bodies':
      return encodeBodiesFrame(item.digest, item.transactionHashes, item.envelopes);
    case 'evidence':
      return encodeEvidenceFrame(item.evidence);
  }
}

/** Without the fields that have their default value, which the library would write. */
function sparse(message: object): object {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== 0 && value !== false));
}

/** A frame as proto-loader takes it. */
function toLoader(item: Frame): object {
  const { kind, ...content } = item;
  if (item.kind === 'evidence') return { evidence: item.evidence };
  if (item.kind === 'consensus') return { consensus: item.message };
  if (item.kind === 'status') return { status: sparse(item.status) };
  return { [kind]: content };
}

const hello = fc.record({
  protocolVersion: fc.constant(1),
  chainId: bytes32.map(asChainId),
  validator: fc.string({ minLength: 1, maxLength: 64 }),
  peer: fc.string({ minLength: 1, maxLength: 64 }),
  nonce: bytes32,
});

describe('messages between validators', () => {
  it('are the bytes that the proto files say', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 5 }), (frames) => {
        const ours = encodeFrames(frames.map(encode));
        const theirs = connect.requestSerialize({ frames: { frames: frames.map(toLoader) } });
        expect(ours.equals(theirs)).toBe(true);
        expect(ours.equals(connect.responseSerialize({ frames: { frames: frames.map(toLoader) } }))).toBe(
          true,
        );
        expect(decodeConnectMessage(theirs)).toEqual({ ok: true, value: { kind: 'frames', frames } });
      }),
      { numRuns: 300, seed: 1 },
    );
    fc.assert(
      fc.property(hello, bytes({ minLength: 64, maxLength: 64 }), (greeting, signature) => {
        expect(encodeHello(greeting).equals(connect.requestSerialize({ hello: greeting }))).toBe(true);
        expect(decodeConnectMessage(encodeHello(greeting))).toEqual({
          ok: true,
          value: { kind: 'hello', hello: greeting },
        });
        expect(encodeProof(signature).equals(connect.requestSerialize({ proof: { signature } }))).toBe(true);
        expect(decodeConnectMessage(encodeProof(signature))).toEqual({
          ok: true,
          value: { kind: 'proof', signature },
        });
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  it('carry blocks as the proto files say', () => {
    const { blocks } = certifiedChain(3);
    for (const block of blocks) {
      const { certificate, envelopes: list, headerBytes: header } = block;
      const signatures = certificate.signatures.map(sparse);
      const theirs = fetch.responseSerialize({
        header,
        certificate: sparse({ ...certificate, signatures }),
        envelopes: list,
      });
      expect(encodeFetchedBlock(block).equals(theirs)).toBe(true);
      const decoded = decodeFetchedBlock(theirs);
      expect(decoded.ok && encodeFetchedBlock(decoded.value).equals(theirs)).toBe(true);
    }
    fc.assert(
      fc.property(height, fc.nat({ max: 0xffff_ffff }), (fromHeight, maxBlocks) => {
        const ours = encodeFetchBlocksRequest({ fromHeight, maxBlocks });
        expect(ours.equals(fetch.requestSerialize(sparse({ fromHeight, maxBlocks })))).toBe(true);
        expect(decodeFetchBlocksRequest(ours)).toEqual({ ok: true, value: { fromHeight, maxBlocks } });
      }),
      { seed: 3 },
    );
  });

  it('carry states as the proto files say', () => {
    const key = fc.stringMatching(/^[a-z/]{1,20}$/).map(asStateKey);
    const item = fc.oneof(fc.constant(Buffer.alloc(0)), bytes32, bytes({ minLength: 64, maxLength: 64 }));
    const chunk = fc.record({
      entries: fc.array(fc.record({ key, value: bytes({ minLength: 1, maxLength: 50 }) }), { maxLength: 5 }),
      to: bytes32,
      proof: fc.record({ left: fc.array(item, { maxLength: 4 }), right: fc.array(item, { maxLength: 4 }) }),
    });
    fc.assert(
      fc.property(chunk, height, bytes32, (state, at, until) => {
        const { entries, to, proof } = state;
        const theirs = fetchState.responseSerialize(sparse({ entries, to, ...proof }));
        expect(encodeFetchedState(state).equals(theirs)).toBe(true);
        const decoded = decodeFetchedState(theirs);
        expect(decoded.ok && encodeFetchedState(decoded.value).equals(theirs)).toBe(true);
        const request = { height: at, from: Buffer.alloc(32), until };
        const asked = encodeFetchStateRequest(request);
        expect(asked.equals(fetchState.requestSerialize(sparse(request)))).toBe(true);
        expect(decodeFetchStateRequest(asked)).toEqual({ ok: true, value: request });
      }),
      { seed: 6 },
    );
    const to = Buffer.alloc(32);
    const good = encodeFetchedState({ entries: [], to, proof: { left: [], right: [] } });
    const refused = [
      Buffer.alloc(0),
      good.subarray(1),
      Buffer.concat([good, good]),
      encodeFetchedState({ entries: [], to: to.subarray(1), proof: { left: [], right: [] } }),
      encodeFetchedState({ entries: [], to, proof: { left: Array<Buffer>(257).fill(to), right: [] } }),
      encodeFetchedState({
        entries: [{ key: 'a\u0000b' as ReturnType<typeof asStateKey>, value: to }],
        to,
        proof: { left: [], right: [] },
      }),
    ];
    for (const message of refused) expect(decodeFetchedState(message).ok).toBe(false);
  });

  it('are refused when cut short, extended or changed at random, and never throw', () => {
    const whole = fc
      .array(frame, { minLength: 1, maxLength: 3 })
      .map((list) => encodeFrames(list.map(encode)));
    fc.assert(
      fc.property(whole, fc.nat(), fc.nat({ max: 255 }), (message, at, byte) => {
        expect(decodeConnectMessage(message.subarray(0, at % message.length)).ok).toBe(false);
        expect(decodeConnectMessage(Buffer.concat([message, Buffer.from([byte])])).ok).toBe(false);
        const changed = Buffer.from(message);
        changed[at % message.length] = byte;
        decodeConnectMessage(changed);
        decodeFetchedBlock(changed);
        decodeFetchBlocksRequest(changed);
        decodeFetchedState(changed);
        decodeFetchStateRequest(changed);
      }),
      { numRuns: 500, seed: 4 },
    );
    fc.assert(
      fc.property(bytes({ maxLength: 200 }), (noise) => {
        decodeConnectMessage(noise);
        decodeFetchedBlock(noise);
        decodeFetchBlocksRequest(noise);
        decodeFetchedState(noise);
        decodeFetchStateRequest(noise);
      }),
      { numRuns: 2000, seed: 5 },
    );
  });

  const frames = (...pieces: Buffer[]) => encodeFrames(pieces);
  const inFrame = (...content: number[]) => Buffer.from([0x0a, content.length, ...content]);
  it.each([
    [
      'an unknown field beside the frames',
      Buffer.concat([frames(inFrame(0x0a, 1, 1)), Buffer.from([0x22, 0])]),
    ],
    ['an unknown kind of frame', frames(inFrame(0x3a, 0))],
    ['empty evidence', frames(encodeEvidenceFrame(Buffer.alloc(0)))],
    ['too large a piece of evidence', frames(encodeEvidenceFrame(Buffer.alloc(513, 1)))],
    ['a frame with two kinds', frames(inFrame(0x0a, 1, 1, 0x0a, 1, 2))],
    ['an empty frame', frames(Buffer.from([0x0a, 0]))],
    ['an empty consensus message', frames(encodeConsensusFrame(Buffer.alloc(0)))],
    ['an empty transaction', frames(encodeTransactionsFrame([Buffer.alloc(0)]))],
    ['a batch without transactions', frames(encodeTransactionsFrame([]))],
    ['too large a transaction', frames(encodeTransactionsFrame([Buffer.alloc(limits.maxEnvelopeBytes + 1)]))],
    [
      'too many transactions',
      frames(
        encodeTransactionsFrame(Array<Buffer>(limits.maxBlockTransactions + 1).fill(Buffer.alloc(1, 1))),
      ),
    ],
    [
      'too many frames',
      frames(...Array<Buffer>(maxFramesPerBatch + 1).fill(encodeConsensusFrame(Buffer.from('vote')))),
    ],
    ['a short digest', frames(encodeFetchBodiesFrame(asDigest(new Uint8Array(31)), []))],
    [
      'a height above the limit',
      frames(inFrame(0x1a, 9, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
    ],
    ['a number without end', frames(inFrame(0x1a, 3, 0x18, 0xff, 0xff))],
    ['a field of another type', frames(inFrame(0x08, 1))],
  ])('refuse %s', (_, message) => {
    expect(decodeConnectMessage(message).ok).toBe(false);
  });

  it('do not hold on to the message that a transaction came in', () => {
    const message = frames(encodeTransactionsFrame([Buffer.alloc(100, 1), Buffer.alloc(60_000, 2)]));
    const decoded = decodeConnectMessage(message);
    if (!decoded.ok || decoded.value.kind !== 'frames') throw new Error('not decoded');
    const [first] = decoded.value.frames;
    if (first?.kind !== 'transactions') throw new Error('no transactions');
    for (const envelope of first.envelopes) expect(envelope.buffer).not.toBe(message.buffer);
  });
});
