/** The load generator as its parent sees it. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReply, LoadResult } from './load-protocol.js';
import type { World } from './world.js';

export class Load {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(world: World, nodeFlags: readonly string[] = []): Promise<Load> {
    const child = fork(fileURLToPath(new URL('load-child.js', import.meta.url)), [], {
      serialization: 'advanced',
      execArgv: [...nodeFlags],
    });
    const load = new Load(child);
    try {
      await load.#order({
        kind: 'setup',
        genesisFile: world.genesisFile,
        members: world.members,
        validators: world.validators.map(({ id, clientAddress }) => ({ id, address: clientAddress })),
      });
    } catch (error) {
      await load.stop();
      throw error;
    }
    return load;
  }

  async prepare(transactions: number, height: number): Promise<void> {
    await this.#order({ kind: 'prepare', transactions, height });
  }

  async run(order: Exclude<LoadOrder, { kind: 'setup' | 'prepare' }>): Promise<LoadResult> {
    const result = await this.#order(order);
    if (result === undefined) throw new Error('the load generator gave no result');
    return result;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.disconnect();
    await ended;
  }

  #order(order: LoadOrder): Promise<LoadResult | undefined> {
    return new Promise((resolve, reject) => {
      const child = this.#child;
      const done = (): void => {
        child.off('message', answered);
        child.off('exit', ended);
      };
      const answered = (reply: LoadReply): void => {
        done();
        if (reply.kind === 'done') resolve(reply.result);
        else reject(new Error(reply.message));
      };
      const ended = (): void => {
        done();
        reject(new Error('the load generator ended'));
      };
      child.on('message', answered);
      child.on('exit', ended);
      child.send(order);
    });
  }
}
