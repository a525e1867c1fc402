/** What goes from validator to validator. */
import { decodeConsensusMessage, decodeNewView, decodeViewChange } from '../../src/codec/index.js';
import type { ConsensusMessage, PeerStatus } from '../../src/codec/model.js';
import { headerDigest } from '../../src/crypto/index.js';
import { toHex } from '../../src/types/index.js';
import type { Digest, Hash } from '../../src/types/index.js';
import type { Random } from './random.js';
import { mix, mixBytes } from './trace.js';

export type Packet =
  | { readonly kind: 'consensus'; readonly bytes: Uint8Array }
  | { readonly kind: 'status'; readonly status: PeerStatus }
  | { readonly kind: 'relay'; readonly envelopes: readonly Uint8Array[] }
  | { readonly kind: 'fetchBodies'; readonly digest: Digest; readonly hashes: readonly Hash[] }
  | {
      readonly kind: 'bodies';
      readonly digest: Digest;
      readonly hashes: readonly Hash[];
      readonly envelopes: readonly Uint8Array[];
    }
  | { readonly kind: 'evidence'; readonly bytes: Uint8Array };

const fingerprints = new WeakMap<Packet, number>();

/** A short hash of a packet, computed once. */
export function fingerprint(packet: Packet): number {
  let value = fingerprints.get(packet);
  if (value === undefined) fingerprints.set(packet, (value = computeFingerprint(packet)));
  return value;
}

function computeFingerprint(packet: Packet): number {
  switch (packet.kind) {
    case 'consensus':
      return mixBytes(1, packet.bytes);
    case 'status': {
      const { view, viewChangeInProgress, committedHeight, stableCheckpointHeight } = packet.status;
      return [view, Number(viewChangeInProgress), committedHeight, stableCheckpointHeight].reduce(mix, 2);
    }
    case 'relay':
      return packet.envelopes.reduce(mixBytes, 3);
    case 'fetchBodies':
      return [packet.digest, ...packet.hashes].reduce(mixBytes, 4);
    case 'bodies':
      return [packet.digest, ...packet.hashes, ...packet.envelopes].reduce(mixBytes, 5);
    case 'evidence':
      return mixBytes(6, packet.bytes);
  }
}

const kinds = new WeakMap<Packet, string>();

/** Kind of a packet, or of the consensus message in it. */
export function kindOf(packet: Packet): string {
  let kind = kinds.get(packet);
  if (kind === undefined) {
    const decoded = packet.kind === 'consensus' ? decodeConsensusMessage(packet.bytes) : undefined;
    kinds.set(packet, (kind = decoded?.ok === true ? decoded.value.kind : packet.kind));
  }
  return kind;
}

export const short = (bytes: Uint8Array): string => toHex(bytes).slice(0, 8);

/** A packet in a few words. */
export function describePacket(packet: Packet): string {
  switch (packet.kind) {
    case 'consensus': {
      const decoded = decodeConsensusMessage(packet.bytes);
      return decoded.ok ? describeMessage(decoded.value) : `rubbish (${packet.bytes.length} bytes)`;
    }
    case 'status': {
      const { view, viewChangeInProgress, committedHeight, stableCheckpointHeight } = packet.status;
      return `status v${view}${viewChangeInProgress ? ' changing' : ''} h${committedHeight} stable ${stableCheckpointHeight}`;
    }
    case 'relay':
      return `relay of ${packet.envelopes.length}`;
    case 'fetchBodies':
      return `fetchBodies ${short(packet.digest)} (${packet.hashes.length})`;
    case 'bodies':
      return `bodies ${short(packet.digest)} (${packet.envelopes.length})`;
    case 'evidence':
      return `evidence (${packet.bytes.length} bytes)`;
  }
}

export function describeMessage(message: ConsensusMessage): string {
  switch (message.kind) {
    case 'prePrepare':
      return `prePrepare v${message.view} ${short(headerDigest(message.header))} by ${message.signature.validator} (${message.transactionHashes.length} txs)`;
    case 'prepare':
    case 'commit':
      return `${message.kind} v${message.view} h${message.height} ${short(message.digest)} by ${message.signature.validator}`;
    case 'checkpoint':
      return `checkpoint h${message.height} by ${message.signature.validator}`;
    case 'viewChange': {
      const body = decodeViewChange(message.viewChange);
      if (!body.ok) return 'viewChange (rubbish)';
      const { view, validator, committed, prepared } = body.value;
      const list = prepared.map(
        (certificate) => `${short(headerDigest(certificate.header))}@v${certificate.view}`,
      );
      return `viewChange v${view} by ${validator} committed ${committed?.height ?? 0} prepared [${list.join(' ')}]`;
    }
    case 'newView': {
      const body = decodeNewView(message.newView);
      if (!body.ok) return 'newView (rubbish)';
      const { view, validator, viewChanges, reproposals } = body.value;
      const list = reproposals.map(({ height, digest }) => `h${height}=${short(digest)}`);
      return `newView v${view} by ${validator} of ${viewChanges.length} [${list.join(' ')}]`;
    }
  }
}

/** The packet with one bit of what is not structure flipped, as a frame is that was spoilt on its way. */
export function corrupted(packet: Packet, random: Random): Packet {
  const flip = (bytes: Uint8Array): Uint8Array => {
    const spoilt = bytes.slice();
    if (spoilt.length > 0) spoilt[random.below(spoilt.length)]! ^= 1 << random.below(8);
    return spoilt;
  };
  const one = (list: readonly Uint8Array[]): readonly Uint8Array[] => {
    const chosen = random.below(Math.max(1, list.length));
    return list.map((bytes, index) => (index === chosen ? flip(bytes) : bytes));
  };
  switch (packet.kind) {
    case 'consensus':
    case 'evidence':
      return { ...packet, bytes: flip(packet.bytes) };
    case 'relay':
    case 'bodies':
      return { ...packet, envelopes: one(packet.envelopes) };
    case 'fetchBodies':
      return { ...packet, hashes: one(packet.hashes) as readonly Hash[] };
    case 'status':
      return packet;
  }
}

const views = new WeakMap<Packet, number>();

/** View that a consensus message is about; -1 for other packets and for checkpoints. */
export function viewOf(packet: Packet): number {
  let view = views.get(packet);
  if (view === undefined) views.set(packet, (view = computeView(packet)));
  return view;
}

function computeView(packet: Packet): number {
  const decoded = packet.kind === 'consensus' ? decodeConsensusMessage(packet.bytes) : undefined;
  if (decoded?.ok !== true) return -1;
  const message = decoded.value;
  switch (message.kind) {
    case 'prePrepare':
    case 'prepare':
    case 'commit':
      return message.view;
    case 'viewChange': {
      const body = decodeViewChange(message.viewChange);
      return body.ok ? body.value.view : -1;
    }
    case 'newView': {
      const body = decodeNewView(message.newView);
      return body.ok ? body.value.view : -1;
    }
    case 'checkpoint':
      return -1;
  }
}
