import { describe, expect, it } from '@jest/globals';
import { FairDoor } from '../../../src/node/fair-door.js';

/** Work that ends when it is told to, one after the other. */
class Bench {
  readonly order: string[] = [];
  readonly #running: (() => void)[] = [];
  readonly #door: FairDoor;

  constructor(door: FairDoor) {
    this.#door = door;
  }

  send(member: string | undefined, transactions: number): void {
    void this.#door.pass(member, transactions, async () => {
      this.order.push(member ?? 'relay');
      await new Promise<void>((resolve) => this.#running.push(resolve));
    });
  }

  /** Ends the oldest work, so many times. */
  async finish(count: number): Promise<void> {
    for (let ended = 0; ended < count; ended++) {
      this.#running.shift()?.();
      for (let turn = 0; turn < 8; turn++) await Promise.resolve();
    }
  }

  served(member: string): number {
    return this.order.filter((name) => name === member).length;
  }
}

describe('FairDoor', () => {
  it('lets in what there is room for, and the rest as room is given back', async () => {
    const door = new FairDoor({ maxInside: 10, relayWeight: 3 });
    const bench = new Bench(door);
    for (let count = 0; count < 5; count++) bench.send('alpha', 5);
    expect([bench.order.length, door.inside, door.waiting]).toEqual([2, 10, 3]);
    await bench.finish(5);
    expect([bench.order.length, door.inside, door.waiting]).toEqual([5, 0, 0]);
  });

  it('gives a member its turn at once, however much another one has sent before', async () => {
    const bench = new Bench(new FairDoor({ maxInside: 1000, relayWeight: 3 }));
    for (let count = 0; count < 100; count++) bench.send('flood', 1000);
    await bench.finish(3);
    bench.send('small', 1);
    await bench.finish(2);
    expect(bench.served('small')).toBe(1);
  });

  it('shares evenly by transactions, not by batches, and gives no credit for silence', async () => {
    const bench = new Bench(new FairDoor({ maxInside: 100, relayWeight: 3 }));
    for (let count = 0; count < 50; count++) bench.send('large', 100);
    await bench.finish(20);
    // It was silent while the other one got 2,000.
    for (let count = 0; count < 500; count++) bench.send('small', 10);
    await bench.finish(110);
    const before = bench.order.length;
    await bench.finish(110);
    const since = bench.order.slice(before);
    expect(since.filter((name) => name === 'large').length * 100).toBeGreaterThanOrEqual(900);
    expect(since.filter((name) => name === 'small').length * 10).toBeGreaterThanOrEqual(900);
  });

  it('gives relays their multiple while clients flood, and all while they do not', async () => {
    const bench = new Bench(new FairDoor({ maxInside: 10, relayWeight: 3 }));
    for (let count = 0; count < 200; count++) {
      bench.send(`member ${count % 5}`, 10);
      bench.send(undefined, 10);
    }
    await bench.finish(100);
    expect(bench.served('relay')).toBeGreaterThanOrEqual(70);
    expect(bench.served('relay')).toBeLessThanOrEqual(80);
    await bench.finish(300);
    expect(bench.order).toHaveLength(400);
  });

  it('goes on when the work of a batch fails', async () => {
    const door = new FairDoor({ maxInside: 1, relayWeight: 3 });
    const failing = door.pass('alpha', 1, () => Promise.reject(new Error('no')));
    const next = door.pass('alpha', 1, () => Promise.resolve('done'));
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('done');
    expect(door.inside).toBe(0);
  });
});
