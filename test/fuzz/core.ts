/**
 * The consensus core against everything that validators can sign. The attacker has the keys of all other validators and
 * signs whatever it likes, well-formed and aimed at where the replica stands; every message passes `beginAuthentication`
 * as on the way in. The replica may stop when more than f contradict themselves; it must never throw, and what it keeps
 * stays bounded.
 */
import {
  encodeConsensusMessage,
  decodeConsensusMessage,
  type ConsensusMessage,
} from '../../src/codec/index.js';
import {
  beginAuthentication,
  createReplica,
  decodeLogRecord,
  encodeLogRecord,
  maxCertifiedAhead,
  step,
  type BlockRef,
  type ConsensusConfig,
  type ConsensusEffect,
  type ConsensusEvent,
  type ReplicaState,
  type Statement,
  type TimerId,
} from '../../src/consensus/index.js';
import {
  DefectError,
  asDigest,
  asHeight,
  asValidatorIndex,
  asView,
  equalBytes,
  limits,
  quorumOf,
} from '../../src/types/index.js';
import type { Digest } from '../../src/types/index.js';
import {
  commitCertificate,
  preparedCertificate,
  viewChangeStatement,
} from '../helpers/consensus-certificates.js';
import { fakeVerify, genesisTip, makeBlock, say, testConfig } from '../helpers/consensus-words.js';
import { Prng } from '../helpers/prng.js';

export interface CoreOptions {
  readonly seed: number;
  /** Asked before each replica's life. */
  readonly goOn: (events: number) => boolean;
}

/** Events in the life of one replica. */
const lifeEvents = 400;

/** Lives replicas, one after the other. Gives the number of events; throws what the core throws, with the seed. */
export function fuzzCore({ seed, goOn }: CoreOptions): {
  readonly events: number;
  readonly accepted: number;
} {
  let events = 0;
  let accepted = 0;
  for (let life = 0; goOn(events); life++) {
    const hostile = new HostileLife(new Prng(seed * 1_000_003 + life));
    try {
      for (let count = 0; count < lifeEvents; count++) {
        hostile.next();
        events++;
      }
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`consensus core, seed ${seed}, life ${life}: ${what}`, { cause: error });
    }
    accepted += hostile.accepted;
  }
  return { events, accepted };
}

class HostileLife {
  accepted = 0;
  readonly #random: Prng;
  readonly #config: ConsensusConfig;
  readonly #self: number;
  readonly #timers = new Set<TimerId>();
  /** Blocks that were made up, to be built on and voted for. */
  readonly #blocks: BlockRef[] = [];
  readonly #said: ConsensusMessage[] = [];
  readonly #answers: ConsensusEvent[] = [];
  #state: ReplicaState;
  #syncs = 0;

  constructor(random: Prng) {
    this.#random = random;
    const n = random.pick([1, 2, 4, 4, 4, 5, 7]);
    const isObserver = random.chance(0.1);
    this.#self = isObserver ? n : random.below(n);
    const options = { n, window: 1 + random.below(4), checkpointInterval: 1 + random.below(5) };
    this.#config = testConfig(options, isObserver ? undefined : this.#self);
    const { state, effects } = createReplica(this.#config, { committed: genesisTip, log: [] });
    this.#state = state;
    this.#perform(effects);
  }

  next(): void {
    const random = this.#random;
    if (this.#answers.length > 0 && random.chance(0.7)) {
      const at = random.chance(0.9) ? 0 : random.below(this.#answers.length);
      // Answers of one kind keep their order.
      const [answer] = this.#answers.splice(this.#answers[at]?.kind === 'executed' ? at : 0, 1);
      if (answer !== undefined) this.#give(answer);
    } else if (random.chance(0.1) && this.#timers.size > 0) {
      const timer = random.pick([...this.#timers]);
      this.#timers.delete(timer);
      this.#give({ kind: 'timer', timer });
    } else if (random.chance(0.1)) this.#give(this.#localEvent());
    else if (random.chance(0.15)) this.#give(this.#status());
    else
      this.#receive(random.chance(0.1) && this.#said.length > 0 ? random.pick(this.#said) : this.#message());
    this.#check();
  }

  /** What a peer sends, from its bytes to the core. */
  #receive(message: ConsensusMessage | undefined): void {
    if (message === undefined) return;
    this.#said.push(message);
    if (this.#said.length > 50) this.#said.shift();
    const decoded = decodeConsensusMessage(encodeConsensusMessage(message));
    if (!decoded.ok) return;
    const pending = beginAuthentication(decoded.value, this.#config);
    if (!pending.ok || !pending.value.checks.every(fakeVerify)) return;
    this.accepted++;
    this.#give({ kind: 'message', from: asValidatorIndex(this.#peer()), message: pending.value.verified });
  }

  #give(event: ConsensusEvent): void {
    const { state, effects } = step(this.#state, event);
    this.#state = state;
    this.#perform(effects);
  }

  #perform(effects: readonly ConsensusEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'persist':
          for (const record of effect.records) {
            if (!decodeLogRecord(encodeLogRecord(record)).ok)
              throw new Error('a log record cannot be read back');
          }
          break;
        case 'cast': {
          const message = say(this.#config, this.#self, effect.statement);
          const pending = beginAuthentication(message, this.#config);
          if (!pending.ok) throw new Error(`its own ${message.kind} is refused: ${pending.error}`);
          this.#answers.push({
            kind: 'message',
            from: asValidatorIndex(this.#self),
            message: pending.value.verified,
          });
          break;
        }
        case 'send':
          encodeConsensusMessage(effect.message);
          break;
        case 'setTimer':
          this.#timers.add(effect.timer);
          break;
        case 'cancelTimer':
          this.#timers.delete(effect.timer);
          break;
        case 'execute': {
          const { digest, header } = effect.block;
          const outcome = this.#random.pick(['valid', 'valid', 'valid', 'invalid', 'refused'] as const);
          // No execution gives the set that some of the headers announce: the replica stops when one is certified.
          const keepsSet = equalBytes(header.nextValidatorSetHash, this.#config.validatorSetHash);
          const judged = effect.fresh ? outcome : 'valid';
          this.#answers.push({ kind: 'executed', digest, outcome: keepsSet ? judged : 'invalid' });
          break;
        }
        case 'commit':
          this.#answers.push({
            kind: 'committed',
            height: effect.block.header.height,
            digest: effect.block.digest,
          });
          break;
        case 'discard': {
          const gone = new Set<Digest>(effect.digests);
          for (let index = this.#answers.length - 1; index >= 0; index--) {
            const answer = this.#answers[index];
            if (answer?.kind === 'executed' && gone.has(answer.digest)) this.#answers.splice(index, 1);
          }
          break;
        }
        case 'sync':
          this.#syncs++;
          this.#answers.push({ kind: 'syncEnded' });
          break;
        default:
      }
    }
  }

  #localEvent(): ConsensusEvent {
    const random = this.#random;
    return random.pick<ConsensusEvent>([
      { kind: 'demand', pending: random.chance(0.7) },
      { kind: 'overdue' },
    ]);
  }

  #status(): ConsensusEvent {
    return {
      kind: 'status',
      from: asValidatorIndex(this.#peer()),
      status: {
        view: asView(this.#view()),
        viewChangeInProgress: this.#random.chance(0.5),
        committedHeight: asHeight(this.#height()),
        stableCheckpointHeight: asHeight(this.#height()),
      },
    };
  }

  #peer(): number {
    const { length } = this.#config.validatorSet.validators;
    const peer = this.#random.below(length);
    return peer === this.#self && length > 1 ? (peer + 1) % length : peer;
  }

  /** A view near the replica's, or anywhere. */
  #view(): number {
    const random = this.#random;
    if (random.chance(0.05)) return random.pick([limits.maxView, limits.maxView - 1, 2 ** 31, 2 ** 32]);
    return Math.max(0, this.#state.view - 2 + random.below(6));
  }

  #height(): number {
    const random = this.#random;
    if (random.chance(0.05)) return random.pick([limits.maxHeight, limits.maxHeight - 1, 2 ** 31, 2 ** 32]);
    return Math.max(0, this.#state.durable.height - 1 + random.below(7));
  }

  #block(): BlockRef {
    const random = this.#random;
    if (this.#blocks.length > 0 && random.chance(0.6)) return random.pick(this.#blocks);
    const parent = random.chance(0.3)
      ? this.#state.durable
      : this.#blocks.length > 0 && random.chance(0.8)
        ? ((block) => ({ ...block.header, digest: block.digest }))(random.pick(this.#blocks))
        : genesisTip;
    const height = random.chance(0.9) ? parent.height + 1 : Math.max(1, this.#height());
    const block = makeBlock(this.#config, {
      height: Math.min(limits.maxHeight, height),
      view: this.#view(),
      parent: parent.digest,
      timeMs: parent.timeMs + random.below(3),
      label: String(random.uint32()),
      ...(random.chance(0.05) ? { header: { nextValidatorSetHash: genesisTip.digest as never } } : {}),
    });
    this.#blocks.push(block);
    if (this.#blocks.length > 30) this.#blocks.shift();
    return block;
  }

  #quorum(extra = 0): number[] {
    const { length } = this.#config.validatorSet.validators;
    const all = Array.from({ length }, (_, index) => index);
    while (all.length > quorumOf(length) + extra) all.splice(this.#random.below(all.length), 1);
    return all;
  }

  #prepared(view: number): ReturnType<typeof preparedCertificate> {
    const primary = view % this.#config.validatorSet.validators.length;
    const others = this.#quorum(1).filter((index) => index !== primary);
    return preparedCertificate(this.#config, view, this.#block(), others.slice(0, this.#quorum().length - 1));
  }

  #viewChange(validator: number, view: number): Extract<Statement, { readonly kind: 'viewChange' }> {
    const random = this.#random;
    const prepared = Array.from({ length: random.below(4) }, () =>
      this.#prepared(Math.max(0, view - 1 - random.below(3))),
    );
    const committed = random.chance(0.5)
      ? commitCertificate(this.#config, this.#view(), this.#block(), this.#quorum())
      : undefined;
    return viewChangeStatement(this.#config, validator, view, {
      prepared: prepared.filter(
        (certificate, index) => index === 0 || certificate.header !== prepared[index - 1]?.header,
      ),
      ...(committed === undefined ? {} : { committed }),
    });
  }

  #message(): ConsensusMessage | undefined {
    try {
      return this.#unchecked();
    } catch (error) {
      // `say` signs nothing that the gate refuses for its form.
      if (error instanceof DefectError && error.message.includes('own statements')) return undefined;
      throw error;
    }
  }

  #unchecked(): ConsensusMessage {
    const random = this.#random;
    const config = this.#config;
    const view = this.#view();
    const { length } = config.validatorSet.validators;
    switch (random.below(8)) {
      case 0:
        return say(config, view % length, { kind: 'prePrepare', view: asView(view), block: this.#block() });
      case 1:
      case 2:
      case 3: {
        const { header, digest } = this.#block();
        const kind = random.pick(['prepare', 'commit', 'commit'] as const);
        return say(config, this.#peer(), {
          kind,
          view: asView(random.chance(0.7) ? this.#state.view : view),
          height: random.chance(0.9) ? header.height : asHeight(this.#height()),
          digest: random.chance(0.95) ? digest : asDigest(new Uint8Array(32)),
        });
      }
      case 4: {
        const { header, digest } = this.#block();
        return say(config, this.#peer(), { kind: 'checkpoint', height: header.height, digest });
      }
      case 5:
      case 6: {
        const signer = this.#peer();
        return say(config, signer, this.#viewChange(signer, Math.max(1, view)));
      }
      default: {
        const next = Math.max(1, view);
        const viewChanges = this.#quorum().map((signer) => {
          const message = say(config, signer, this.#viewChange(signer, next));
          if (message.kind !== 'viewChange') throw new Error('unreachable');
          return message;
        });
        const reproposals = Array.from({ length: random.below(3) }, () => this.#block())
          .sort((left, right) => left.header.height - right.header.height)
          .map(({ header, digest }) => ({ height: header.height, digest }));
        return say(config, next % length, { kind: 'newView', view: asView(next), viewChanges, reproposals });
      }
    }
  }

  /** Bounded by the configuration, whatever was said. */
  #check(): void {
    const { slots, blocks, viewChanges, checkpoints, ownCheckpoints, peers, claimedHeights, helped } =
      this.#state;
    const n = this.#config.validatorSet.validators.length;
    const window = this.#config.pipelineWindow;
    let votes = 0;
    for (const { rounds } of slots.values()) {
      votes += rounds.size;
      for (const { prepares, commits } of rounds.values()) {
        if (Math.max(prepares.groups.length, commits.groups.length) > n)
          throw new Error('more groups than voters');
      }
    }
    const bounds: readonly (readonly [string, number, number])[] = [
      ['slots', slots.size, 4 * window + maxCertifiedAhead],
      ['rounds', votes, (4 * window + 4) * 16],
      ['blocks', blocks.size, 64 * (window + 1)],
      ['view-changes', viewChanges.size, n],
      ['checkpoints', checkpoints.size + ownCheckpoints.size, 64],
      ['peers', Math.max(peers.size, claimedHeights.size), n],
      ['help', helped.size, 64 * n],
      ['syncs', this.#syncs, lifeEvents],
    ];
    for (const [what, size, most] of bounds) {
      if (size > most) throw new Error(`${size} ${what} are kept; at most ${most} may be`);
    }
  }
}
