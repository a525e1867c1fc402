/** Carries a manifest out on real processes, and audits what is left: every store, and every answer that a client got. */
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { faultyOf } from '../../../src/types/index.js';
import { eventually } from '../../helpers/eventually.js';
import type { AuditedChain } from '../audit.js';
import { Load, routes } from '../load.js';
import { reckon } from '../reckoning.js';
import { mainProgram } from '../command-line.js';
import { previousRelease } from '../previous-release.js';
import { TestNetwork } from '../network.js';
import { SmallDisk } from '../small-disk.js';
import type { ValidatorProcess } from '../validator-process.js';
import { anomaliesOf, Bank, bankAsset } from './bank.js';
import type { Manifest, Perturbation } from './manifest.js';
import { Wires } from './wires.js';

export interface ManifestReport {
  readonly height: number;
  readonly transactions: number;
  readonly acknowledged: number;
  readonly bankEvents: number;
}

export interface RunOptions {
  /** Told what is being done. */
  readonly say?: (line: string) => void;
}

/** Payments that the network goes on with during a perturbation, and after it. */
const payments = 25;
const allRoutes = [routes.alba, routes.borealis, routes.cadence];

/** Runs a manifest; rejects with an Error that says what did not hold. */
export async function runManifest(manifest: Manifest, options: RunOptions = {}): Promise<ManifestReport> {
  const say = options.say ?? (() => undefined);
  const previous = manifest.build === 'previous' ? previousRelease() : undefined;
  if (previous !== undefined && 'missing' in previous) throw new Error(previous.missing);
  const network = await TestNetwork.create({
    validators: manifest.validators,
    ...(previous !== undefined && { software: previous.folder }),
    world: (text) =>
      text
        .replace(
          /checkpointIntervalBlocks: \d+/,
          `checkpointIntervalBlocks: ${manifest.checkpointIntervalBlocks}`,
        )
        .replace(/pipelineWindowBlocks: \d+/, `pipelineWindowBlocks: ${manifest.pipelineWindowBlocks}`),
    environment: { QUAESTOR_STORAGE_ENGINE: manifest.engine },
  });
  const run = new Run(manifest, network, await Wires.between(network), say);
  try {
    return await run.all();
  } catch (error) {
    if (error instanceof Error) error.message = `${error.message}\n\n${network.logTails()}`;
    throw error;
  } finally {
    await run.close();
  }
}

class Run {
  readonly #manifest: Manifest;
  readonly #network: TestNetwork;
  readonly #wires: Wires;
  readonly #say: (line: string) => void;
  readonly #loads: Load[] = [];
  readonly #disks: SmallDisk[] = [];
  #bank: Bank | undefined;
  #otherBuild: string | undefined;

  constructor(manifest: Manifest, network: TestNetwork, wires: Wires, say: (line: string) => void) {
    this.#manifest = manifest;
    this.#network = network;
    this.#wires = wires;
    this.#say = say;
  }

  async all(): Promise<ManifestReport> {
    const { load, bankClients, perturbations, seed } = this.#manifest;
    await this.#network.startAll();
    for (const [index, { via, validator, inFlight }] of load.entries()) {
      const route = allRoutes[index % allRoutes.length]!;
      this.#loads.push(await Load.start(this.#network, route, { via, validator, inFlight }));
    }
    if (bankClients > 0) this.#bank = await Bank.start(this.#network, bankClients, seed);
    await this.#progress();
    for (const perturbation of perturbations) {
      this.#say(`${perturbation.kind} ${perturbation.validators.join(', ')}`);
      await this.#perturb(perturbation);
      await this.#network.whole();
      await this.#progress();
    }
    return this.#audit();
  }

  async close(): Promise<void> {
    await Promise.all(this.#network.validators.map((validator) => validator.kill()));
    this.#wires.close();
    for (const disk of this.#disks) disk.unmount();
    await this.#network.close();
    if (this.#otherBuild !== undefined) await rm(this.#otherBuild, { recursive: true });
  }

  async #perturb({ kind, validators, delayMs = 0 }: Perturbation): Promise<void> {
    const named = validators.map((index) => this.#network.validators[index]!);
    switch (kind) {
      case 'kill':
        await Promise.all(named.map((validator) => validator.kill()));
        await this.#meanwhile(named);
        for (const validator of named) validator.start();
        return;
      case 'restart':
        // One after the other, as an operator does it.
        for (const validator of named) {
          await validator.stop();
          validator.start();
          await validator.ready();
        }
        return;
      case 'pause':
        for (const validator of named) validator.signal('SIGSTOP');
        await this.#meanwhile(named);
        for (const validator of named) validator.signal('SIGCONT');
        return;
      case 'disconnect':
        this.#wires.cut(validators, true);
        await eventually('those that were cut off see nobody', async () => {
          const counts = await Promise.all(named.map(connectedPeers));
          return counts.every((count) => count === 0);
        });
        await this.#meanwhile(named);
        this.#wires.cut(validators, false);
        return;
      case 'delay':
        this.#wires.delay(validators, delayMs);
        await this.#progress();
        this.#wires.delay(validators, 0);
        return;
      case 'fullDisk':
        for (const validator of named) await this.#fillDiskOf(validator);
        return;
      case 'certificates':
        for (const validator of named) await this.#network.renewCertificateOf(validator);
        await this.#progress();
        return;
      case 'upgrade':
        for (const validator of named) {
          await validator.stop();
          validator.install(this.#manifest.build === 'previous' ? mainProgram : await this.#otherProgram());
          validator.start();
          await validator.ready();
        }
        return;
    }
  }

  /** Waits for what must happen while these are away: the others go on, or see that there is no quorum. */
  async #meanwhile(away: readonly ValidatorProcess[]): Promise<void> {
    const { validators } = this.#network;
    if (away.length <= faultyOf(validators.length)) {
      await this.#progress();
      return;
    }
    const left = validators.filter((validator) => !away.includes(validator));
    await eventually('those that are left see that too few are connected', async () => {
      const counts = await Promise.all(left.map(connectedPeers));
      return counts.every((count) => count + 1 <= validators.length - away.length);
    });
  }

  /** Each load goes on. */
  async #progress(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.progress(payments)));
  }

  async #fillDiskOf(victim: ValidatorProcess): Promise<void> {
    await victim.stop();
    const disk = await SmallDisk.under(join(victim.dir, 'data'));
    this.#disks.push(disk);
    victim.start();
    await victim.ready();
    await disk.fill();
    const { code, output } = await victim.ended();
    if (code !== 1 || !/The disk of the data folder .* is full/.test(output)) {
      throw new Error(`${victim.id} ended with ${String(code)} on a full disk, without a sentence about it.`);
    }
    await this.#progress();
    await disk.clear();
    await disk.leave();
    this.#disks.splice(this.#disks.indexOf(disk), 1);
    victim.start();
  }

  /** The software in another folder, as a new version would be. */
  async #otherProgram(): Promise<string> {
    if (this.#otherBuild === undefined) {
      const dist = dirname(dirname(mainProgram));
      const root = dirname(dist);
      this.#otherBuild = await mkdtemp(join(tmpdir(), 'quaestor-build-'));
      await cp(dist, join(this.#otherBuild, 'dist'), { recursive: true });
      await cp(join(root, 'package.json'), join(this.#otherBuild, 'package.json'));
      for (const name of ['node_modules', 'proto', 'configs']) {
        await symlink(join(root, name), join(this.#otherBuild, name));
      }
    }
    return join(this.#otherBuild, 'dist', 'cli', 'main.js');
  }

  async #audit(): Promise<ManifestReport> {
    const bank = this.#bank;
    await bank?.stop();
    const { height, chain, problems: found } = await reckon(this.#network, this.#loads);
    const problems = [...found, ...(bank?.problems ?? [])];
    if (bank !== undefined) problems.push(...anomaliesOf(bank.history, this.#opening(), transfersOf(chain)));
    if (problems.length > 0) throw new Error(`After the run:\n${problems.slice(0, 20).join('\n')}`);
    const acknowledged = this.#loads.reduce((sum, load) => sum + load.acknowledged.size, 0);
    const { size: transactions } = chain.transactions;
    return { height, transactions, acknowledged, bankEvents: bank?.history.length ?? 0 };
  }

  #opening(): ReadonlyMap<string, bigint> {
    const { balances } = this.#network.genesis;
    return new Map(
      balances.filter(({ asset }) => asset === bankAsset).map(({ account, amount }) => [account, amount]),
    );
  }
}

function connectedPeers(validator: ValidatorProcess): Promise<number> {
  return validator.metric('quaestor_network_peers_connected');
}

/** Transfers of the bank's asset. */
function transfersOf(chain: AuditedChain): AuditedChain['transfers'] {
  return chain.transfers.filter(({ asset }) => asset === bankAsset);
}
