/**
 * A store that is being made from the state of one height: chunk by chunk, in any order of the segments, each durable
 * before the next. Until `finish`, the folder is no store: opening it as one is refused. Chunks are not checked here but
 * for the root at the end: whoever gets them checks them first.
 */
import { decodeBlockHeader } from '../codec/index.js';
import { StateTree, type NodeReader } from '../crypto/index.js';
import { asHeight, compareBytes, equalBytes, invariant, successorPath } from '../types/index.js';
import type { ChainId } from '../types/index.js';
import { ByteReader, ByteWriter } from './byte-writer.js';
import { putPath, putPathsMark } from './commit-batch.js';
import type { KeyValueEngine } from './engine.js';
import { makeKey, writeKey } from './key-spaces.js';
import { checked, parsed, readHeader, writeHead, writeHeader } from './records.js';
import type {
  CarriedRecords,
  InstallChunk,
  InstallProgress,
  SnapshotTarget,
  StateSegment,
  StoredHeader,
} from './types.js';
import type { UnitWriter } from './unit-writer.js';
import { WriteBatch } from './write-batch.js';

/** Memory for nodes of the tree that grows. */
const treeBytes = 16 * 1024 * 1024;
/** About what an entry takes in a batch beside its key and value: keys, checksums, its part of the tree. */
const batchBytesPerEntry = 160;
/** The state is copied in so many parts side by side, by the first half-byte of the path. */
const stateSegments = 16;

export interface InstallParts {
  readonly engine: KeyValueEngine;
  readonly writer: UnitWriter;
  readonly chainId: ChainId;
  readonly release: () => Promise<void>;
}

/** Made by `openInstall` and `openMemoryInstall`. Promises reject with a StorageError. */
export class StateInstall {
  readonly #parts: InstallParts;
  readonly #reader: NodeReader;
  readonly #tree = new StateTree({ maxBytes: treeBytes });
  #target: SnapshotTarget | undefined;
  #segments: StateSegment[] = freshSegments();
  #entries = 0;
  #bytes = 0;
  /** The chunk that was put last is with the writer. */
  #last: Promise<unknown> = Promise.resolve();
  /** All that is with the writer is durable. */
  #written: Promise<unknown> = Promise.resolve();
  #finished = false;

  private constructor(parts: InstallParts) {
    this.#parts = parts;
    this.#reader = {
      readNodes: async (keys) => {
        // What the tree does not hold any more may be on its way.
        await this.#written;
        const engineKeys = keys.map((key) => makeKey((out) => writeKey.treeNode(out, key)));
        const found = await parts.engine.getMany(engineKeys);
        return found.map((value, index) => value && checked(engineKeys[index] ?? value, value));
      },
    };
  }

  /** Reads how far an earlier attempt came. */
  static async open(parts: InstallParts): Promise<StateInstall> {
    const install = new StateInstall(parts);
    await install.#read();
    return install;
  }

  /** The block whose state is copied; undefined before `begin`. */
  get target(): SnapshotTarget | undefined {
    return this.#target;
  }

  /** Whether this is a store already, that an earlier attempt finished. */
  get finished(): boolean {
    return this.#finished;
  }

  get segments(): readonly StateSegment[] {
    return this.#segments;
  }

  progress(): InstallProgress {
    let missing = 0;
    for (const { next, until } of this.#segments) {
      if (next !== undefined) missing += (leadingBits(until) + 1 - leadingBits(next)) / 2 ** 32;
    }
    return { entries: this.#entries, bytes: this.#bytes, fraction: Math.min(1, Math.max(0, 1 - missing)) };
  }

  /** Says whose state is to come. Once, on an empty folder. */
  async begin(target: SnapshotTarget): Promise<void> {
    invariant(this.#target === undefined && !this.#finished, 'a copy has one target');
    this.#target = target;
    const batch = new WriteBatch();
    this.#putProgress(batch, this.#segments, this.#entries, this.#bytes);
    await this.#parts.writer.submit(batch, () => undefined);
  }

  /** Stores a chunk that begins where its segment was; resolves when it is durable. Calls need not wait for each other,
   * but for those of one segment. */
  async put(segment: number, chunk: InstallChunk): Promise<void> {
    const prepared = this.#last.then(() => this.#put(segment, chunk));
    this.#last = prepared.catch(() => undefined);
    const { durable } = await prepared;
    await durable;
  }

  /** Makes it a store whose head is the target. Nothing may be missing. */
  async finish(carried: CarriedRecords): Promise<void> {
    const target = this.#target;
    invariant(target !== undefined, 'a copy is finished after it was begun');
    invariant(
      this.#segments.every(({ next }) => next === undefined),
      'a copy is finished when nothing is missing',
    );
    // Read from the disk: what is there decides, not what was meant to be.
    const fresh = new StateTree({ maxBytes: treeBytes });
    const { root } = await fresh.update(this.#reader, target.height, target.height, new Map());
    invariant(equalBytes(root, target.stateRoot), 'chunks that were proven make up the proven state');
    const batch = new WriteBatch();
    const { height, digest, headerBytes, certificate, stateRoot } = target;
    for (const header of [...carried.headers, { height, digest, headerBytes, certificate }]) {
      writeKey.header(batch.begin(), header.height);
      writeHeader(batch.value(), header);
      batch.end();
    }
    writeKey.meta(batch.begin(), 'base');
    batch.value().u48(height);
    batch.end();
    putPathsMark(batch);
    for (const entry of carried.log) {
      if (entry.height !== 0 && entry.height <= height) continue;
      writeKey.log(batch.begin(), entry.height, entry.name);
      batch.value().bytes(entry.value);
      batch.end();
    }
    for (const { key, value } of carried.evidence) {
      writeKey.evidence(batch.begin(), key);
      batch.value().bytes(value);
      batch.end();
    }
    writeKey.meta(batch.begin(), 'snapshot');
    batch.remove();
    writeKey.meta(batch.begin(), 'head');
    writeHead(batch.value(), { height, digest, stateRoot });
    batch.end();
    await this.#parts.writer.submit(batch, () => undefined);
    this.#finished = true;
  }

  /** Waits for what is being written, then closes. */
  async close(): Promise<void> {
    await this.#last;
    await this.#written;
    await this.#parts.writer.close();
    try {
      await this.#parts.engine.close();
    } finally {
      await this.#parts.release();
    }
  }

  /** Gives a chunk to the writer. The writer keeps the order, so what a batch says of progress is true when it is durable. */
  async #put(
    index: number,
    { entries, to, proven }: InstallChunk,
  ): Promise<{ readonly durable: Promise<void> }> {
    const target = this.#target;
    const segment = this.#segments[index];
    invariant(
      target !== undefined && segment?.next !== undefined,
      'a chunk belongs to a segment that is open',
    );
    const { next, until } = segment;
    invariant(
      compareBytes(to, next) >= 0 && compareBytes(to, until) <= 0,
      'a chunk lies within what its segment lacks',
    );
    const { height } = target;
    const update = await this.#tree.addRange(this.#reader, height, this.#entries === 0, proven);
    let bytes = 0;
    for (const { key, value } of entries) bytes += key.length + value.length;
    const batch = new WriteBatch(3 * bytes + batchBytesPerEntry * (entries.length + 1));
    for (const [position, { key, value }] of entries.entries()) {
      putPath(batch, key, proven.leaves.path(position));
      writeKey.latest(batch.begin(), key);
      batch.value().u48(height).u8(1).bytes(value);
      batch.end();
      writeKey.version(batch.begin(), key, height);
      batch.value().u8(1).bytes(value);
      batch.end();
    }
    // The first chunk makes the root, even if it has no leaf.
    for (const { key, value } of update.nodes) {
      writeKey.treeNode(batch.begin(), key);
      batch.value().bytes(value);
      batch.end();
    }
    this.#segments = this.#segments.map((other, position) =>
      position === index ? { until, next: equalBytes(to, until) ? undefined : successorPath(to) } : other,
    );
    this.#entries += entries.length;
    this.#bytes += bytes;
    this.#putProgress(batch, this.#segments, this.#entries, this.#bytes);
    const durable = this.#parts.writer.submit(batch, () => undefined);
    this.#tree.committed(update);
    this.#written = durable.catch(() => undefined);
    return { durable };
  }

  #putProgress(batch: WriteBatch, segments: readonly StateSegment[], entries: number, bytes: number): void {
    const target = this.#target;
    invariant(target !== undefined, 'progress has a target');
    const header = new ByteWriter();
    writeHeader(header, target);
    writeKey.meta(batch.begin(), 'snapshot');
    const out = batch.value().u48(entries).u48(bytes);
    for (const { next } of segments) {
      out.u8(next === undefined ? 0 : 1);
      if (next !== undefined) out.bytes(next);
    }
    out.u48(target.height).bytes(header.finish());
    batch.end();
  }

  async #read(): Promise<void> {
    const { engine } = this.#parts;
    const keys = (['snapshot', 'head'] as const).map((name) => makeKey((out) => writeKey.meta(out, name)));
    const [stored, head] = await engine.getMany(keys);
    this.#finished = head !== undefined;
    const [key] = keys;
    if (stored === undefined || key === undefined) return;
    parsed(key, stored, (body) => {
      const reader = new ByteReader(body);
      this.#entries = reader.u48();
      this.#bytes = reader.u48();
      this.#segments = freshSegments().map(({ until }) => ({
        until,
        next: reader.u8() === 1 ? Uint8Array.from(reader.bytes(32)) : undefined,
      }));
      this.#target = targetOf(readHeader(asHeight(reader.u48()), Uint8Array.from(reader.rest())));
    });
  }
}

/** The target that a certified header names. Throws a RangeError when the header is none. */
export function targetOf({ height, digest, headerBytes, certificate }: StoredHeader): SnapshotTarget {
  const header = decodeBlockHeader(headerBytes);
  if (!header.ok || certificate === undefined) throw new RangeError('a snapshot has a certified header');
  return { height, digest, headerBytes, certificate, stateRoot: header.value.stateRoot };
}

function freshSegments(): StateSegment[] {
  return Array.from({ length: stateSegments }, (_, index) => {
    const next = new Uint8Array(32);
    const until = new Uint8Array(32).fill(255);
    next[0] = index << 4;
    until[0] = (index << 4) | 15;
    return { next, until };
  });
}

const leadingBits = (path: Uint8Array): number =>
  new DataView(path.buffer, path.byteOffset, path.byteLength).getUint32(0);
