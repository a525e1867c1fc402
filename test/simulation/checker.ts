/**
 * What must hold, watched all the time from outside the driver: one chain, real certificates, each transaction once,
 * the results that the model gives, no correct replica that contradicts itself, evidence against the guilty only.
 */
import { decodeBlockHeader, decodeTransactionResult } from '../../src/codec/index.js';
import type {
  CommitCertificate,
  ConsensusMessage,
  Evidence,
  Genesis,
  SignedVote,
  ValidatorSet,
  VotePhase,
} from '../../src/codec/model.js';
import { decodeNewView, decodeViewChange } from '../../src/codec/index.js';
import {
  headerDigest,
  merkleLeafHash,
  merkleRoot,
  sha256,
  validatorSetHash as hashOfSet,
  voteSigningBytes,
} from '../../src/crypto/index.js';
import { decodeLogRecord } from '../../src/consensus/index.js';
import { genesisChainId } from '../../src/ledger/index.js';
import type { BlockCommit, LogEntry } from '../../src/storage/index.js';
import { equalBytes, toHex } from '../../src/types/index.js';
import type { ChainId, Hash } from '../../src/types/index.js';
import { wrongNewView } from './derivation.js';
import { holds } from './keys.js';
import { LedgerModel } from './model.js';
import { short } from './packet.js';
import { machineOf, quorumFor, type ValidatorSets } from './sets.js';

const hashes = new WeakMap<ValidatorSet, Hash>();

function setHashOf(set: ValidatorSet): Hash {
  let hash = hashes.get(set);
  if (hash === undefined) hashes.set(set, (hash = hashOfSet(set)));
  return hash;
}

/** Two commit certificates of one height for different blocks. */
export interface Fork {
  readonly one: CommitCertificate;
  readonly other: CommitCertificate;
}

export interface ChainBlock {
  readonly certificate: CommitCertificate | undefined;
  readonly height: number;
  readonly digest: Uint8Array;
  readonly headerBytes: Uint8Array;
  readonly timeMs: number;
  /** Hexadecimal, in order. */
  readonly txIds: readonly string[];
  readonly envelopes: readonly Uint8Array[];
  readonly results: readonly Uint8Array[];
}

/** A replica as it speaks: its place in the validator set that is in force there, and the number of that set. */
export interface Speaker {
  readonly machine: number;
  readonly place: number | undefined;
  readonly epoch: number;
}

export interface CheckerOptions {
  readonly genesis: Genesis;
  readonly isCorrect: (validator: number) => boolean;
  readonly fail: (message: string) => void;
  /** Latest wall-clock time that a block may have now. */
  readonly latestTimeMs: () => number;
}

export class Checker {
  readonly #options: CheckerOptions;
  readonly #chainId: ChainId;
  readonly #model: LedgerModel;
  readonly #votes = new Map<string, string>();
  /** Votes, certificates and drafts that were on a disk once. */
  readonly #onDisk = new Set<string>();
  /** Highest view that a validator has asked for, by the number of the validator set. */
  readonly #asked = new Map<number, Map<number, number>>();
  /** Blocks in order; index 0 is height 1. */
  readonly chain: ChainBlock[] = [];
  /** Where each transaction is, by hexadecimal id. */
  readonly places = new Map<string, { readonly height: number; readonly index: number }>();
  evidenceCount = 0;
  /** The first one that was seen. */
  fork: Fork | undefined;

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#chainId = genesisChainId(options.genesis);
    this.#model = new LedgerModel(options.genesis);
  }

  /** What each account has after the last block. */
  get balances(): ReadonlyMap<string, bigint> {
    return this.#model.balances;
  }

  /** Who decides which height. */
  get sets(): ValidatorSets {
    return this.#model.sets;
  }

  /** A correct replica hands a block to its disk: it holds it for final. */
  deciding(validator: number, commit: BlockCommit): void {
    const { height, digest, headerBytes } = commit.block;
    if (height === 0) return;
    const known = this.chain[height - 1];
    if (known !== undefined && !equalBytes(known.digest, digest)) {
      const { certificate } = commit.block;
      if (known.certificate !== undefined && certificate !== undefined)
        this.fork = { one: known.certificate, other: certificate };
      this.#fail(
        `AGREEMENT: replica ${validator} commits ${short(digest)} at height ${height}, another one has committed ${short(known.digest)} there`,
      );
      return;
    }
    this.#checkCertificate(validator, commit);
    if (known !== undefined) return;
    if (height !== this.chain.length + 1) {
      this.#fail(
        `CHAIN: replica ${validator} commits height ${height}, though nobody has committed ${this.chain.length + 1}`,
      );
      return;
    }
    if (!equalBytes(headerDigest(headerBytes), digest))
      this.#fail(`CHAIN: the digest of block ${height} is not that of its header`);
    this.#append(commit);
  }

  /** A correct replica says something. */
  said(speaker: Speaker, message: ConsensusMessage): void {
    const { machine, place, epoch } = speaker;
    switch (message.kind) {
      case 'prePrepare': {
        const header = decodeBlockHeader(message.header);
        if (!header.ok) {
          this.#fail(`replica ${machine} proposes a malformed header`);
          return;
        }
        if (message.signature.validator !== place) return;
        const { height } = header.value;
        this.#vote(speaker, 'prePrepare', message.view, height, headerDigest(message.header));
        return;
      }
      case 'prepare':
      case 'commit':
        if (message.signature.validator === place)
          this.#vote(speaker, message.kind, message.view, message.height, message.digest);
        return;
      case 'viewChange': {
        const body = decodeViewChange(message.viewChange);
        if (!body.ok || body.value.validator !== place) return;
        const asked = this.#asked.get(epoch) ?? new Map<number, number>();
        this.#asked.set(epoch, asked.set(machine, Math.max(body.value.view, asked.get(machine) ?? 0)));
        return;
      }
      case 'newView': {
        const body = decodeNewView(message.newView);
        if (!body.ok || body.value.validator !== place) return;
        const { view, reproposals } = body.value;
        this.#once(machine, `newView/${epoch}/${view}`, toHex(sha256(message.newView)));
        this.#mustBeOnDisk(machine, `newView/${epoch}/${view}`);
        for (const { height, digest } of reproposals)
          this.#vote(speaker, 'prePrepare', view, height, digest, true);
        return;
      }
      case 'checkpoint':
        if (message.signature.validator === place)
          this.#once(machine, `checkpoint/${message.height}`, toHex(message.digest));
        return;
    }
  }

  /** A correct replica has log entries on disk. */
  logged(validator: number, entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.name.startsWith('bodies/')) continue;
      const record = decodeLogRecord(entry);
      if (!record.ok) continue;
      const { value } = record;
      switch (value.kind) {
        case 'vote':
          this.#onDisk.add(
            `${validator}/${value.phase}/${value.view}/${value.height}/${toHex(value.digest)}`,
          );
          break;
        case 'prepared':
          this.#onDisk.add(`${validator}/prepared/${value.certificate.view}/${value.height}`);
          break;
        case 'newViewDraft':
          this.#onDisk.add(`${validator}/newView/${value.epoch}/${value.statement.view}`);
          break;
        case 'newView': {
          const wrong = wrongNewView(
            value.message.newView,
            this.#options.genesis.parameters.pipelineWindowBlocks,
          );
          if (wrong !== undefined) this.#fail(`NEW VIEW: replica ${validator} has entered one, but ${wrong}`);
          break;
        }
        case 'view':
        case 'block':
        case 'abstention':
          break;
      }
    }
  }

  /** A correct replica joins others in asking for a view: one of them must be correct. */
  joins({ machine: validator, epoch }: Speaker, view: number): void {
    const highest = Math.max(
      0,
      ...[...(this.#asked.get(epoch) ?? [])]
        .filter(([other]) => other !== validator)
        .map(([, asked]) => asked),
    );
    if (view > highest)
      this.#fail(
        `VIEW: replica ${validator} joins view ${view}, though no correct one has asked for more than ${highest}`,
      );
  }

  evidence(validator: number, { validatorSetHash, phase, first, second }: Evidence): void {
    this.evidenceCount++;
    const guilty = first.signature.validator;
    const set = this.sets.withHash(validatorSetHash);
    const proves =
      set !== undefined &&
      second.signature.validator === guilty &&
      first.view === second.view &&
      first.height === second.height &&
      !equalBytes(first.digest, second.digest) &&
      [first, second].every((vote) => this.#holds(set, phase, vote));
    if (!proves) this.#fail(`EVIDENCE: what replica ${validator} has against ${guilty} proves nothing`);
    else if (this.#options.isCorrect(machineOf(set.validators[guilty]!.id)))
      this.#fail(`EVIDENCE: replica ${validator} has proof against ${guilty}, which is correct`);
  }

  #append(commit: BlockCommit): void {
    const { height, digest, headerBytes, envelopes, results } = commit.block;
    const header = decodeBlockHeader(headerBytes);
    if (!header.ok) {
      this.#fail(`CHAIN: the header of block ${height} is malformed`);
      return;
    }
    const below = this.chain.at(-1);
    const { prevHash, timeMs, transactionsRoot, resultsRoot, transactionCount } = header.value;
    if (below !== undefined && !equalBytes(prevHash, below.digest))
      this.#fail(`CHAIN: block ${height} does not link to the one below`);
    if (!equalBytes(header.value.validatorSetHash, setHashOf(this.sets.at(height))))
      this.#fail(`CHAIN: block ${height} names another validator set`);
    if (timeMs <= (below?.timeMs ?? this.#options.genesis.timeMs))
      this.#fail(`CHAIN: block ${height} is not later than the one below`);
    if (timeMs > this.#options.latestTimeMs())
      this.#fail(
        `TIME: block ${height} is ${timeMs - this.#options.latestTimeMs()} ms too far in the future`,
      );
    if (
      transactionCount !== envelopes.length ||
      !equalBytes(merkleRoot(envelopes.map((item) => merkleLeafHash(item))), transactionsRoot)
    )
      this.#fail(`CHAIN: the transactions of block ${height} are not those of its header`);
    if (!equalBytes(merkleRoot(results.map((item) => merkleLeafHash(item))), resultsRoot))
      this.#fail(`CHAIN: the results of block ${height} are not those of its header`);
    const txIds = commit.txIds.map((id) => toHex(id));
    for (const [index, txId] of txIds.entries()) {
      if (this.places.has(txId))
        this.#fail(`TWICE: transaction ${txId.slice(0, 8)} is in block ${height} and in an earlier one`);
      this.places.set(txId, { height, index });
      const expected = this.#model.execute(envelopes[index]!, height);
      const result = decodeTransactionResult(results[index]!);
      if (typeof expected === 'string')
        this.#fail(`VALIDITY: transaction ${index} of block ${height} should not be there: ${expected}`);
      else if (!result.ok || result.value.code !== expected.code || toHex(result.value.txId) !== txId)
        this.#fail(
          `RESULT: transaction ${index} of block ${height} is ${result.ok ? result.value.code : 'malformed'} instead of ${expected.code}`,
        );
    }
    this.sets.blockEnds(height);
    if (!equalBytes(header.value.nextValidatorSetHash, setHashOf(this.sets.at(height + 1))))
      this.#fail(`CHAIN: block ${height} hands over to another validator set`);
    this.chain.push({
      certificate: commit.block.certificate,
      height,
      digest,
      headerBytes,
      timeMs,
      txIds,
      envelopes,
      results,
    });
  }

  #checkCertificate(validator: number, { block }: BlockCommit): void {
    const { certificate, height, digest } = block;
    const wrong = ((): string | undefined => {
      if (certificate === undefined) return 'is missing';
      if (certificate.height !== height || !equalBytes(certificate.digest, digest))
        return 'is for another block';
      const set = this.sets.at(height);
      const signers = new Set(certificate.signatures.map(({ validator: signer }) => signer));
      if (signers.size < quorumFor(set.validators.length)) return 'has no quorum';
      const { view } = certificate;
      return certificate.signatures.every((signature) =>
        this.#holds(set, 'commit', { view, height, digest, signature }),
      )
        ? undefined
        : 'has a wrong signature';
    })();
    if (wrong !== undefined)
      this.#fail(`CERTIFICATE: that of block ${height} at replica ${validator} ${wrong}`);
  }

  #vote(
    { machine, epoch }: Speaker,
    phase: VotePhase,
    view: number,
    height: number,
    digest: Uint8Array,
    reproposed = false,
  ): void {
    const isNew = this.#once(machine, `${phase}/${view}/${height}`, toHex(digest));
    if (!isNew) return;
    const asked = this.#asked.get(epoch)?.get(machine) ?? 0;
    if (!reproposed) this.#mustBeOnDisk(machine, `${phase}/${view}/${height}/${toHex(digest)}`);
    // What a commit promises: docs/consensus.md.
    if (phase === 'commit') this.#mustBeOnDisk(machine, `prepared/${view}/${height}`);
    if (phase !== 'prePrepare' && view < asked)
      this.#fail(
        `VOTE: replica ${machine} casts a ${phase} in view ${view} after it has asked for view ${asked}`,
      );
    const decides = this.sets.at(height).epoch;
    if (height <= this.chain.length + 1 && epoch !== decides)
      this.#fail(
        `EPOCH: replica ${machine} casts a ${phase} for height ${height} in epoch ${epoch}, which epoch ${decides} decides`,
      );
  }

  #mustBeOnDisk(validator: number, what: string): void {
    if (!this.#onDisk.has(`${validator}/${what}`))
      this.#fail(`DISK: replica ${validator} says what rests on ${what}, which it does not have on disk`);
  }

  /** Notes what a replica says in one place; it must be the same for ever. True when it is new. */
  #once(validator: number, place: string, value: string): boolean {
    const key = `${validator}/${place}`;
    const before = this.#votes.get(key);
    if (before !== undefined && before !== value)
      this.#fail(
        `CONTRADICTION: replica ${validator} says ${value.slice(0, 8)} for ${place} and has said ${before.slice(0, 8)}`,
      );
    this.#votes.set(key, value);
    return before === undefined;
  }

  #holds(set: ValidatorSet, phase: VotePhase, { view, height, digest, signature }: SignedVote): boolean {
    const validator = set.validators[signature.validator];
    if (validator === undefined) return false;
    const message = voteSigningBytes({
      chainId: this.#chainId,
      validatorSetHash: setHashOf(set),
      phase,
      view,
      height,
      digest,
    });
    return holds({ publicKey: validator.publicKey, message, signature: signature.signature });
  }

  #fail(message: string): void {
    this.#options.fail(message);
  }
}
