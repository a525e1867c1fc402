/**
 * Commit certificates: learning them, and making blocks final in order of height. A certificate is a proof, so it is
 * welcome from any view at any time.
 */
import type { CommitCertificate } from '../codec/model.js';
import { equalBytes, toHex, type Digest, type ValidatorIndex } from '../types/index.js';
import { noteOwnVote } from './abstention.js';
import type { Outbox } from './outbox.js';
import {
  findBlock,
  forgetBlock,
  halt,
  handsOver,
  maxCertifiedAhead,
  offset,
  slotAt,
  type KnownBlock,
  type ReplicaState,
  type Slot,
} from './state.js';

/**
 * Takes note of a verified certificate. Halts when it contradicts one that is known: more validators are faulty than
 * the protocol tolerates.
 */
export function learnCertificate(state: ReplicaState, out: Outbox, certificate: CommitCertificate): void {
  const { height, digest } = certificate;
  if (height <= state.durable.height) {
    if (height === state.durable.height && !equalBytes(digest, state.durable.digest)) {
      halt(state, out, conflict(height, digest, state.durable.digest));
    }
    return;
  }
  if (height > state.decided.height + maxCertifiedAhead) return;
  const slot = slotAt(state, height);
  noteOwnVote(state, out, 'commit', certificate.view, slot, certificate.signatures);
  if (slot.certificate === undefined) slot.certificate = certificate;
  else if (!equalBytes(slot.certificate.digest, digest)) {
    halt(state, out, conflict(height, digest, slot.certificate.digest));
  }
}

function conflict(height: number, one: Digest, other: Digest): string {
  return (
    `Two blocks of height ${height} have commit certificates: ${toHex(one)} and ${toHex(other)}. ` +
    `More validators are faulty than the network tolerates. Keep the data folder as evidence and do not restart.`
  );
}

/** Orders the execution of a block, unless its result is known or on the way. */
export function requestExecution(
  out: Outbox,
  known: KnownBlock,
  source: ValidatorIndex,
  fresh: boolean,
): void {
  // What policy refused when it was fresh is judged again without policy once a certificate vouches for it.
  if (known.execution !== 'none' && !(known.execution === 'refused' && !fresh)) return;
  known.execution = 'running';
  out.emit({ kind: 'execute', block: known.block, source, fresh });
}

/** Makes final, in order, what has a certificate and was executed here with the certified roots. */
export function decideReady(state: ReplicaState, out: Outbox): void {
  while (!state.halted && !state.decided.last) {
    const slot = state.slots.get(offset(state.decided.height, 1));
    const certificate = slot?.certificate;
    if (slot === undefined || certificate === undefined) return;
    const known = findBlock(state, slot, certificate.digest);
    // Unknown block: catch-up brings it.
    if (known === undefined) return;
    const { header } = known.block;
    if (!equalBytes(header.prevHash, state.decided.digest)) {
      halt(
        state,
        out,
        `The certified block ${toHex(certificate.digest)} of height ${slot.height} does not link to the final block ` +
          `${toHex(state.decided.digest)} below it. More validators are faulty than the network tolerates. ` +
          `Keep the data folder as evidence and do not restart.`,
      );
      return;
    }
    if (known.execution === 'invalid') {
      halt(
        state,
        out,
        `The certified block ${toHex(certificate.digest)} of height ${slot.height} gave another result when it was ` +
          `executed here. Keep the data folder as evidence; compare versions and state with the other validators.`,
      );
      return;
    }
    if (known.execution !== 'valid') {
      requestExecution(out, known, sourceOf(state, slot, certificate), false);
      return;
    }
    state.decided = {
      height: slot.height,
      digest: certificate.digest,
      timeMs: header.timeMs,
      certificate,
      last: handsOver(state, header),
    };
    state.attempts = 0;
    state.progressed = true;
    state.timers.restartView = true;
    out.emit({ kind: 'commit', block: known.block, certificate });
    dropRivals(state, out, slot, certificate.digest);
  }
}

/** Who has the bodies: the one who proposed the block, else a validator that committed to it. */
function sourceOf(state: ReplicaState, slot: Slot, certificate: CommitCertificate): ValidatorIndex {
  const { self } = state.config;
  if (slot.accepted !== undefined && equalBytes(slot.accepted.known.block.digest, certificate.digest)) {
    return slot.accepted.source;
  }
  const signers = certificate.signatures.map(({ validator }) => validator);
  return (
    signers.find((validator) => validator !== self) ?? signers[0] ?? slot.accepted?.source ?? firstPeer()
  );
}

const firstPeer = (): ValidatorIndex => 0 as ValidatorIndex;

/** Gives up the blocks that lost against a final one, and what was accepted on top of them. */
function dropRivals(state: ReplicaState, out: Outbox, slot: Slot, digest: Digest): void {
  const dropped = new Set<KnownBlock>();
  for (const known of state.blocks.values()) {
    if (known.block.header.height === slot.height && !equalBytes(known.block.digest, digest))
      dropped.add(known);
  }
  if (slot.accepted !== undefined && dropped.has(slot.accepted.known)) slot.accepted = undefined;
  let parent = digest;
  let broken = false;
  for (let height = offset(slot.height, 1); ; height = offset(height, 1)) {
    const above = state.slots.get(height);
    if (above?.accepted === undefined) break;
    const { known } = above.accepted;
    broken ||= !equalBytes(known.block.header.prevHash, parent);
    parent = known.block.digest;
    if (!broken) continue;
    dropped.add(known);
    above.accepted = undefined;
  }
  discardBlocks(state, out, dropped);
}

/** Forgets blocks, and tells the driver to. */
export function discardBlocks(state: ReplicaState, out: Outbox, blocks: Iterable<KnownBlock>): void {
  const digests: Digest[] = [];
  for (const known of blocks) if (forgetBlock(state, known)) digests.push(known.block.digest);
  out.discard(digests);
}
