/**
 * The rules of the signer's double-sign protection are sound: a correct validator is refused nothing, whatever the network
 * and its disk do. And they hold: a validator that has lost its memory, or runs twice, contradicts nothing.
 */
import { describe, expect, it } from '@jest/globals';
import type { EncodedLogRecord } from '../../src/consensus/index.js';
import { TestNet } from '../helpers/consensus-net.js';
import { type TestReplica } from '../helpers/consensus-replica.js';
import { Schedule } from '../helpers/consensus-schedule.js';
import { GuardedKeys } from '../helpers/guarded-keys.js';
import { Prng } from '../helpers/prng.js';

const firstSeed = Number(process.env['QUAESTOR_TEST_SEED'] ?? 1);
const runs = Number(process.env['QUAESTOR_TEST_RUNS'] ?? 6);
const timeLimitMs = 300_000;

function scheduleOf(seed: number): Schedule {
  const random = new Prng(seed ^ 0x51e9);
  const n = random.pick([1, 2, 3, 4, 4, 4, 5, 7]);
  return new Schedule({
    n,
    seed,
    window: random.pick([1, 2, 4, 8]),
    checkpointInterval: random.pick([4, 10]),
    lossy: random.pick([0, 0.02, 0.1, 0.3]),
    crashes: random.below(8),
    ...(n >= 4 && random.below(2) === 0 && { byzantine: random.below(n) }),
    chaosMs: 3000 + random.below(12_000),
    target: 10,
    calmMs: 240_000,
    timeouts: { viewTimeoutMs: random.pick([100, 400, 2000]), retransmitMs: random.pick([50, 300]) },
  });
}

describe('a guarded key', () => {
  it(
    'refuses nothing to a correct validator under loss, delay, crashes, restarts and a Byzantine one',
    () => {
      let asked = 0;
      for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
        const schedule = scheduleOf(seed);
        const keys = new GuardedKeys(schedule.net);
        schedule.net.guard = {
          sign: (replica, bytes) => {
            asked += 1;
            return keys.sign(replica, bytes);
          },
          entered: (replica, newView) => keys.entered(replica, newView),
          final: (replica, certificate) => {
            keys.final(replica, certificate);
            if (certificate.height % 3 === 0) keys.restart(replica.index);
          },
        };
        schedule.run();
        expect({ seed, refusals: keys.refusals }).toEqual({ seed, refusals: [] });
      }
      expect(asked).toBeGreaterThan(100 * runs);
    },
    timeLimitMs,
  );

  it('signs nothing that contradicts what it has signed for a validator that starts from an older backup', () => {
    let refused = 0;
    const broken: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + 4 * runs; seed++) {
      const guarded = withBackups(seed, true);
      expect({ seed, broken: guarded.broken }).toEqual({ seed });
      refused += guarded.refused;
      broken.push(withBackups(seed, false).broken ?? '');
    }
    expect(refused).toBeGreaterThan(0);
    // The same runs without it show what it prevents.
    expect(broken.join()).toMatch(/contradicts its (prePrepare|prepare|commit)/);
  });
});

/** Four replicas are driven at random; one of them starts again and again from an old log. `broken`: what the watch over
 * all that is said found. */
function withBackups(seed: number, isGuarded: boolean): { broken?: string; refused: number } {
  const random = new Prng(seed);
  const net = new TestNet({ n: 4, window: random.pick([1, 4]) });
  const keys = new GuardedKeys(net);
  if (isGuarded) net.guard = keys;
  const victim = net.replica(random.below(4));
  let backup = new Map(victim.log);
  try {
    for (let turn = 0; turn < 600; turn++) {
      const replica = random.pick(net.replicas);
      const [timer] = [...replica.timers.keys()];
      const choice = random.below(20);
      if (choice < 3 && replica.canPropose) replica.propose();
      else if (choice === 3 && timer !== undefined && random.below(4) === 0) replica.fire(timer);
      else if (choice === 4 && random.below(3) === 0) backup = new Map(victim.log);
      else if (choice === 5 && random.below(3) === 0) restore(victim, backup);
      else if (net.wires.length > 0) {
        const [wire] = net.wires.splice(random.below(net.wires.length), 1);
        if (wire !== undefined && random.below(20) > 0) net.replica(wire.to).receive(wire.from, wire.message);
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('broken: ')) throw error;
    return { broken: error.message, refused: keys.refusals.length };
  }
  return { refused: keys.refusals.length };
}

/** Starts a replica with the log of a backup and the blocks that it has. */
function restore(replica: TestReplica, backup: ReadonlyMap<string, EncodedLogRecord>): void {
  replica.crash();
  replica.log.clear();
  for (const [key, entry] of backup) {
    if (entry.height === 0 || entry.height > replica.height) replica.log.set(key, entry);
  }
  replica.restart();
}
