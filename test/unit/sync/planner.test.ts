import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PlannerLimits, RangeRequest } from '../../../src/sync/index.js';
import { SyncPlanner } from '../../../src/sync/index.js';
import { asHeight, asValidatorIndex } from '../../../src/types/index.js';

const limits: PlannerLimits = {
  maxRangeBlocks: 10,
  windowBlocks: 40,
  minShunMs: 100,
  maxShunMs: 1000,
  liarShunMs: 10_000,
  maxFailures: 3,
};

function plan(delivered: number, target: number, heights: readonly number[], changes = {}): SyncPlanner {
  const planner = new SyncPlanner(asHeight(delivered), asHeight(target), { ...limits, ...changes });
  heights.forEach((height, index) => planner.report(asValidatorIndex(index), asHeight(height)));
  return planner;
}

const ranges = (requests: readonly RangeRequest[]) => requests.map(({ peer, from, to }) => [peer, from, to]);

describe('the planner of a catch-up', () => {
  it('splits what is missing over the peers, the lowest heights first', () => {
    const planner = plan(100, 200, [200, 200, 200]);
    expect(ranges(planner.next(0))).toEqual([
      [0, 101, 110],
      [1, 111, 120],
      [2, 121, 130],
    ]);
    expect(planner.next(0)).toEqual([]);
  });

  it('asks a peer only for what it has', () => {
    const planner = plan(0, 30, [5, 30, 0]);
    expect(ranges(planner.next(0))).toEqual([
      [0, 1, 5],
      [1, 6, 15],
    ]);
  });

  it('stays within the window above what was delivered', () => {
    const planner = plan(0, 100, [100, 100, 100], { windowBlocks: 15 });
    const [first, second] = planner.next(0);
    expect(ranges([first!, second!])).toEqual([
      [0, 1, 10],
      [1, 11, 15],
    ]);
    planner.received(first!.id);
    planner.deliveredUpTo(asHeight(1));
    expect(ranges(planner.next(0))).toEqual([[2, 16, 16]]);
  });

  it('asks another peer for what one did not bring, and leaves that one alone for a while', () => {
    const planner = plan(0, 10, [10, 10]);
    const [request] = planner.next(0);
    planner.received(request!.id);
    planner.received(request!.id);
    planner.failed(request!.id, 'failed', 0);
    expect(ranges(planner.next(0))).toEqual([[1, 3, 10]]);
    expect(planner.wakeMs(0)).toBeUndefined();
  });

  it('comes back to a peer that failed when there is no other, later each time, and gives up in the end', () => {
    const planner = plan(0, 10, [10]);
    let nowMs = 0;
    for (const pauseMs of [100, 200, 400]) {
      const [request] = planner.next(nowMs);
      planner.failed(request!.id, 'failed', nowMs);
      expect(planner.next(nowMs)).toEqual([]);
      if (pauseMs < 400) expect(planner.wakeMs(nowMs)).toBe(nowMs + pauseMs);
      nowMs += pauseMs;
    }
    expect(planner.stuck).toBe(true);
    expect(planner.wakeMs(nowMs)).toBeUndefined();
  });

  it('leaves a liar alone for long', () => {
    const planner = plan(0, 10, [10]);
    planner.failed(planner.next(0)[0]!.id, 'lied', 0);
    expect(planner.next(9_999)).toEqual([]);
    expect(ranges(planner.next(10_000))).toEqual([[0, 1, 10]]);
  });

  it('believes a peer that has less than it said, and a peer that has more by now', () => {
    const planner = plan(0, 10, [10]);
    const [request] = planner.next(0);
    planner.received(request!.id);
    planner.finished(request!.id, 0);
    expect(planner.next(0)).toEqual([]);
    expect(planner.stuck).toBe(true);
    planner.report(asValidatorIndex(0), asHeight(4));
    expect(ranges(planner.next(0))).toEqual([[0, 2, 4]]);
  });

  it('takes a higher target up', () => {
    const planner = plan(0, 3, [9]);
    const [request] = planner.next(0);
    for (const height of [1, 2, 3]) {
      planner.received(request!.id);
      planner.deliveredUpTo(asHeight(height));
    }
    planner.finished(request!.id, 0);
    expect(planner.complete).toBe(true);
    planner.extend(asHeight(5));
    expect(planner.complete).toBe(false);
    expect(ranges(planner.next(0))).toEqual([[0, 4, 5]]);
  });

  it('gets every height once, whatever the peers do, as long as one is honest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 120 }),
        fc.array(fc.integer({ min: 0, max: 130 }), { minLength: 0, maxLength: 4 }),
        fc.infiniteStream(fc.nat({ max: 1_000_000 })),
        (target, heights, choices) => {
          const pick = (below: number): number => choices.next().value! % below;
          const honest = heights.length;
          const planner = plan(0, target, [...heights, target], { maxFailures: 1000 });
          const open = new Map<number, { request: RangeRequest; next: number }>();
          const have = new Set<number>();
          let nowMs = 0;
          for (let step = 0; !planner.complete; step++) {
            expect(step).toBeLessThan(20_000);
            for (const request of planner.next(nowMs)) {
              for (const other of open.values()) expect(other.request.peer).not.toBe(request.peer);
              expect(request.from).toBeLessThanOrEqual(request.to);
              expect(request.to - request.from).toBeLessThan(limits.maxRangeBlocks);
              expect(request.to).toBeLessThanOrEqual(planner.delivered + limits.windowBlocks);
              open.set(request.id, { request, next: request.from });
            }
            const entry = [...open.values()][pick(Math.max(1, open.size))];
            if (entry === undefined) {
              nowMs = planner.wakeMs(nowMs) ?? nowMs + 1;
              continue;
            }
            const { request } = entry;
            const choice = request.peer === honest ? 0 : pick(6);
            if (choice <= 2 && entry.next <= request.to) {
              expect(have.has(entry.next)).toBe(false);
              have.add(entry.next++);
              planner.received(request.id);
            } else if (choice <= 3) {
              planner.finished(request.id, nowMs);
              open.delete(request.id);
            } else {
              planner.failed(request.id, choice === 4 ? 'failed' : 'lied', nowMs);
              open.delete(request.id);
            }
            while (have.has(planner.delivered + 1)) planner.deliveredUpTo(asHeight(planner.delivered + 1));
            nowMs += pick(50);
          }
          expect(have.size).toBe(target);
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });
});
