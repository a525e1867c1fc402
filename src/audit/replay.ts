import type { Genesis, ValidatorSet } from '../codec/index.js';
import { StateTree } from '../crypto/index.js';
import type { SignatureVerifier } from '../crypto/types.js';
import { BlockExecutor, type Execution } from '../node/block-executor.js';
import { systemClock } from '../node/clock.js';
import { electorateOf, readElectorates } from '../node/electorate.js';
import { ensureGenesis, recover } from '../node/recovery.js';
import type { Store, StoredBlock } from '../storage/index.js';
import type { CertifiedBlock, Electorate } from '../sync/index.js';
import {
  asHeight,
  equalBytes,
  err,
  invariant,
  ok,
  QuaestorError,
  toHex,
  type Digest,
  type Height,
  type Result,
} from '../types/index.js';
import { damageOf } from './described-key.js';
import { prepareBlock, readHeader, type PreparedBlock } from './prepared-block.js';
import type { AuditProgress, ChainSource, Finding } from './types.js';

export interface ReplayOptions {
  readonly genesis: Genesis;
  readonly source: ChainSource;
  /** The store that is built. What it has is not checked again: an audit that was interrupted goes on from there. */
  readonly store: Store;
  readonly verifier: SignatureVerifier;
  readonly signal: AbortSignal;
  readonly progressed: (progress: AuditProgress) => void;
}

/** Memory of the state tree. */
const treeBytes = 64 * 1024 * 1024;
/** Blocks and bytes of transactions whose signatures are checked ahead of the execution. */
const maxBlocksAhead = 64;
const maxBytesAhead = 16 * 1024 * 1024;
/** Executed blocks that are being written. */
const maxWriting = 32;

type Prepared = Promise<Result<PreparedBlock, Finding>>;

/**
 * Executes every block of a source from the genesis on and writes what follows into a store of its own. Signatures are
 * checked ahead, in the verifier's threads; links, validator sets, results and roots in order. Gives the number of
 * transactions that were executed, or what is wrong first. Rejects when aborted, and with a QuaestorError when the own
 * store can't be written.
 */
export function replay(options: ReplayOptions): Promise<Result<number, Finding>> {
  return new Replay(options).run();
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #tree = new StateTree({ maxBytes: treeBytes });
  /** Blocks whose signatures are being checked, in order. */
  readonly #ahead: { readonly prepared: Prepared; readonly bytes: number }[] = [];
  #bytesAhead = 0;
  readonly #writing: Promise<void>[] = [];
  /** Called when a block was executed, or the replay is over. */
  #wake: () => void = () => undefined;
  #place: Place | undefined;
  #transactions = 0;
  #over = false;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  async run(): Promise<Result<number, Finding>> {
    const { genesis, store, signal } = this.#options;
    await ensureGenesis(store, this.#tree, genesis);
    const { validityWindowBlocks } = genesis.parameters;
    const { restored, committedHashes } = await recover(store, store.chainId, validityWindowBlocks);
    const { height, digest, timeMs } = restored.committed;
    const { current } = await readElectorates(store);
    this.#place = { height, digest, timeMs, electorate: this.#electorateOf(current) };
    const executor = new BlockExecutor({
      store,
      tree: this.#tree,
      committedHashes,
      validityWindowBlocks,
      clock: systemClock,
      executed: () => undefined,
    });
    try {
      for await (const { prepared, bytes } of this.#blocks(asHeight(height + 1))) {
        signal.throwIfAborted();
        // Whoever waits for it sees the error; until then it is not one that nobody handled.
        prepared.catch(() => undefined);
        this.#ahead.push({ prepared, bytes });
        this.#bytesAhead += bytes;
        while (this.#ahead.length > maxBlocksAhead || this.#bytesAhead > maxBytesAhead) {
          const finding = await this.#next(executor);
          if (finding !== undefined) return err(finding);
        }
      }
      while (this.#ahead.length > 0) {
        signal.throwIfAborted();
        const finding = await this.#next(executor);
        if (finding !== undefined) return err(finding);
      }
      await Promise.all(this.#writing);
      return ok(this.#transactions);
    } finally {
      this.#over = true;
      this.#wake();
      await Promise.allSettled([...this.#ahead.map(({ prepared }) => prepared), ...this.#writing]);
    }
  }

  /** Blocks of the source, whose checks have begun. What can't be read is the last one. */
  async *#blocks(from: Height): AsyncGenerator<{ readonly prepared: Prepared; readonly bytes: number }> {
    let next: Height = from;
    try {
      for await (const stored of this.#options.source.blocks(from)) {
        const bytes = stored.envelopes.reduce(
          (sum, envelope) => sum + envelope.length,
          stored.headerBytes.length,
        );
        yield { prepared: this.#prepare(stored, next), bytes };
        next = asHeight(next + 1);
      }
    } catch (error) {
      const finding = damageOf(error, next);
      if (finding === undefined) throw error;
      yield { prepared: Promise.resolve(err(finding)), bytes: 0 };
    }
  }

  /** Checks the signatures of a block by the set in force, which is known once the block before was executed if this one
   * names another. */
  async #prepare(stored: StoredBlock, height: Height): Prepared {
    const header = readHeader(stored, height);
    if (!header.ok) return header;
    const inForce = (): Electorate => this.#at().electorate;
    while (
      !this.#over &&
      !equalBytes(header.value.validatorSetHash, inForce().validatorSetHash) &&
      this.#at().height < height - 1
    ) {
      await this.#executed();
    }
    return prepareBlock(stored, height, inForce(), this.#options.verifier);
  }

  /** Resolves when a block was executed. */
  #executed(): Promise<void> {
    return new Promise((resolve) => {
      const others = this.#wake;
      this.#wake = () => {
        others();
        resolve();
      };
    });
  }

  /** Executes the next block and hands it to the store. */
  async #next(executor: BlockExecutor): Promise<Finding | undefined> {
    const [first] = this.#ahead.splice(0, 1);
    invariant(first !== undefined, 'a block waits');
    const prepared = await first.prepared;
    this.#bytesAhead -= first.bytes;
    if (!prepared.ok) return prepared.error;
    const { block, transactions } = prepared.value;
    const place = this.#at();
    const broken = brokenLink(block, place);
    if (broken !== undefined) return broken;
    const { height, timeMs } = block.header;
    const execution = await executor.run(place.digest, height, timeMs, transactions);
    if (execution === undefined) {
      throw new QuaestorError(
        'RULES_UNKNOWN',
        `From block ${height} on, the ledger follows rules that this version of the software does not know. Audit it with a later one.`,
      );
    }
    const difference = differenceOf(prepared.value, execution, place.electorate);
    if (difference !== undefined) return difference;
    executor.keep(block.digest, execution);
    this.#write(prepared.value, execution, executor);
    const { nextValidatorSet } = execution.output;
    const electorate =
      nextValidatorSet === undefined ? place.electorate : this.#electorateOf(nextValidatorSet);
    this.#place = { height, digest: block.digest, timeMs, electorate };
    this.#transactions += transactions.length;
    const wake = this.#wake;
    this.#wake = () => undefined;
    wake();
    const { source, progressed } = this.#options;
    progressed({ stage: 'blocks', done: height, total: source.head, transactions: this.#transactions });
    while (this.#writing.length > maxWriting) await this.#writing.shift();
    return undefined;
  }

  #write({ block, results }: PreparedBlock, execution: Execution, executor: BlockExecutor): void {
    const { header, digest, headerBytes, certificate, envelopes } = block;
    const written = this.#options.store
      .commitBlock({
        block: { height: header.height, digest, headerBytes, certificate, envelopes, results },
        txIds: execution.transactions.map(({ txId }) => txId),
        stateWrites: execution.output.writes,
        treeNodes: execution.tree.nodes,
        staleNodes: execution.tree.stale,
        touchedAccounts: execution.output.touchedAccounts,
      })
      .then(() => executor.committed(digest));
    written.catch(() => undefined);
    this.#writing.push(written);
  }

  #at(): Place {
    invariant(this.#place !== undefined, 'the genesis was executed');
    return this.#place;
  }

  #electorateOf(set: ValidatorSet): Electorate {
    return { chainId: this.#options.store.chainId, ...electorateOf(set) };
  }
}

/** Where the execution is. */
interface Place {
  readonly height: Height;
  readonly digest: Digest;
  readonly timeMs: number;
  /** Decides the next block. */
  readonly electorate: Electorate;
}

function brokenLink({ header, digest }: CertifiedBlock, before: Place): Finding | undefined {
  const { height } = header;
  const broken = (code: Finding['code'], what: string): Finding => ({
    code,
    height,
    message: `Block ${height}, ${toHex(digest)}, ${what}.`,
  });
  if (height !== before.height + 1) return broken('BROKEN_LINK', `does not follow block ${before.height}`);
  if (!equalBytes(header.prevHash, before.digest)) {
    return broken(
      'BROKEN_LINK',
      `names ${toHex(header.prevHash)} as the block before, which is ${toHex(before.digest)}`,
    );
  }
  if (!equalBytes(header.validatorSetHash, before.electorate.validatorSetHash)) {
    return broken('NOT_CERTIFIED', 'is decided by another validator set than the state says');
  }
  if (header.timeMs <= before.timeMs) return broken('RULE_BROKEN', 'is not later than the one before');
  return undefined;
}

/** What executing a block gave that is not what its header, or the stored results, say. */
function differenceOf(
  { block, results }: PreparedBlock,
  execution: Execution,
  electorate: Electorate,
): Finding | undefined {
  const { header } = block;
  const { height } = header;
  const differs = (what: string): Finding => ({
    code: 'EXECUTION_DIFFERS',
    height,
    message: `Executing block ${height} gives ${what} than its certified header says.`,
  });
  const [inadmissible] = execution.output.inadmissible;
  if (inadmissible !== undefined) {
    const code = execution.output.results[inadmissible]?.code ?? '';
    return {
      code: 'RULE_BROKEN',
      height,
      message: `Transaction ${inadmissible} of block ${height} may be in no block: it would be ${code}.`,
    };
  }
  if (!equalBytes(execution.resultsRoot, header.resultsRoot)) return differs('other results');
  if (!equalBytes(execution.tree.root, header.stateRoot)) return differs('another state');
  const next = execution.nextValidatorSetHash ?? electorate.validatorSetHash;
  if (!equalBytes(next, header.nextValidatorSetHash)) return differs('another next validator set');
  const wrong = execution.resultBytes.findIndex(
    (bytes, index) => !equalBytes(bytes, results[index] ?? empty),
  );
  if (wrong >= 0 || results.length !== execution.resultBytes.length) {
    const which = wrong >= 0 ? `The stored result ${wrong}` : 'The number of the stored results';
    return {
      code: 'RECORD_DIFFERS',
      height,
      message: `${which} of block ${height} is not what its execution gives.`,
    };
  }
  return undefined;
}

const empty = new Uint8Array(0);
