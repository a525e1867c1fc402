/** What must hold in a network of replicas whatever happens. */
import { type BlockRef, type ConsensusEffect, type Statement } from '../../src/consensus/index.js';
import { equalBytes, toHex, type Digest, type Height, type View } from '../../src/types/index.js';
import { genesisTip, setAt } from './consensus-words.js';
import type { TestReplica } from './consensus-replica.js';

/**
 * What must hold at every moment, checked as it happens: no replica ever contradicts a vote or votes below a view
 * that it has asked for, nothing is said before it is on disk, blocks are committed once, in order and the same
 * everywhere, nothing is executed whose parent is not there, and memory stays bounded.
 */
export class Watch {
  readonly #votes = new Map<string, string>();
  /** By epoch and replica. */
  readonly #asked = new Map<string, View>();
  readonly #final = new Map<number, string>();
  readonly #commits = new Map<TestReplica, number>();

  effects(replica: TestReplica, effects: readonly ConsensusEffect[]): void {
    const persists = effects.filter(({ kind }) => kind === 'persist').length;
    check(persists <= 1, 'a step persists at most once');
    for (const effect of effects) {
      if (effect.kind !== 'commit') continue;
      const { height } = effect.block.header;
      const before = Math.max(this.#commits.get(replica) ?? 0, replica.height);
      // A restart starts over at what is on disk.
      check(
        height === before + 1 || height === replica.height + 1,
        `commits go in order (${before}, ${height})`,
      );
      this.#commits.set(replica, height);
      const digest = toHex(effect.block.digest);
      const agreed = this.#final.get(height) ?? digest;
      check(agreed === digest, `agreement at height ${height}`);
      this.#final.set(height, digest);
      check(equalBytes(effect.certificate.digest, effect.block.digest), 'the certificate is of the block');
    }
  }

  cast(replica: TestReplica, statement: Statement): void {
    switch (statement.kind) {
      case 'prePrepare':
        this.#vote(
          replica,
          'prePrepare',
          statement.view,
          statement.block.header.height,
          statement.block.digest,
        );
        check(replica.log.has(`${statement.block.header.height}/block`), 'the block is on disk');
        return;
      case 'prepare':
      case 'commit':
        this.#vote(replica, statement.kind, statement.view, statement.height, statement.digest);
        return;
      case 'newView':
        for (const { height, digest } of statement.reproposals) {
          this.#remember(replica, 'prePrepare', statement.view, height, digest);
        }
        check(replica.log.has('0/newViewDraft'), 'the new-view is on disk');
        return;
      case 'viewChange': {
        const key = `${replica.config.validatorSet.epoch}/${replica.index}`;
        const asked = this.#asked.get(key) ?? -1;
        check(statement.body.view >= asked, 'views only grow');
        this.#asked.set(key, statement.body.view);
        check(replica.log.has('0/view'), 'the view is on disk');
        return;
      }
      case 'checkpoint':
        check(replica.chain[statement.height] !== undefined, 'a checkpoint speaks of what is on disk');
        return;
    }
  }

  #vote(replica: TestReplica, phase: string, view: View, height: Height, digest: Digest): void {
    this.#remember(replica, phase, view, height, digest);
    const { epoch, activationHeight } = replica.config.validatorSet;
    const asked = this.#asked.get(`${epoch}/${replica.index}`) ?? 0;
    check(asked <= view, 'no vote below a view that was asked for');
    check(height >= activationHeight, 'no vote below the heights of the validator set');
    check(
      setAt(replica.net.options, height).epoch === epoch,
      'no vote above the heights of the validator set',
    );
    const onDisk = replica.log.has(`${height}/vote/${phase}`) || height <= replica.height;
    check(onDisk, `a ${phase} leaves only after it is on disk`);
    if (phase === 'commit' && height > replica.height) {
      for (let below = replica.height + 1; below <= height; below++) {
        check(replica.log.has(`${below}/prepared`), 'prepared certificates of all heights below are on disk');
      }
    }
  }

  #remember(replica: TestReplica, phase: string, view: View, height: Height, digest: Digest): void {
    const key = `${replica.index}/${phase}/${view}/${height}`;
    const before = this.#votes.get(key) ?? toHex(digest);
    check(before === toHex(digest), `replica ${replica.index} contradicts its ${phase} of ${view}/${height}`);
    this.#votes.set(key, toHex(digest));
  }

  execution(replica: TestReplica, block: BlockRef): void {
    const parent = toHex(block.header.prevHash);
    const isFinal =
      this.#final.get(block.header.height - 1) === parent || parent === toHex(genesisTip.digest);
    check(isFinal || replica.overlays.has(parent), 'the state of the parent is there to execute on');
  }

  state(replica: TestReplica): void {
    const { state } = replica;
    const span = state.decided.height - state.durable.height;
    const certified = [...state.slots.values()].filter((slot) => slot.certificate !== undefined).length;
    const most = span + 2 * replica.config.pipelineWindow + 64 + certified;
    check(state.slots.size <= most, 'the number of heights is bounded');
    check(state.viewChanges.size <= state.n, 'one view-change a validator');
    check(state.blocks.size <= 4 * most, 'the number of blocks is bounded');
    for (const slot of state.slots.values()) check(slot.rounds.size <= 8, 'the number of views is bounded');
    check(span <= 2 * replica.config.pipelineWindow + certified, 'what is final but not on disk is bounded');
  }
}

function check(condition: boolean, invariant: string): void {
  if (!condition) throw new Error(`broken: ${invariant}`);
}
