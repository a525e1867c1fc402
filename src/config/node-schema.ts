import type { z } from 'zod';
import { bounds } from '../codec/index.js';
import { limits } from '../types/index.js';
import { certificates, chainId, dialAddress, filePath as path, listenAddress } from './fields.js';
import { ids } from './ids.js';
import { validatorKey } from './key-source.js';
import { field } from './schema.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const second = 1000;
const minute = 60 * second;

/** What an identity, or one connection of it, may send; see TrafficLimits of src/api. */
const traffic = (defaults: {
  readonly requestsPerSecond: number;
  readonly transactionsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly maxOpenCalls: number;
}) =>
  field
    .mapping({
      requestsPerSecond: field.integer(1, 1_000_000).default(defaults.requestsPerSecond),
      transactionsPerSecond: field.integer(1, 1_000_000).default(defaults.transactionsPerSecond),
      bytesPerSecond: field.size(64 * KiB, 16 * 1024 * MiB).default(defaults.bytesPerSecond),
      maxOpenCalls: field.integer(1, 100_000).default(defaults.maxOpenCalls),
    })
    .prefault({});

/**
 * The configuration file of a node. Every field that can have a sound default has one; configs/validator.yaml explains
 * each, and a test holds the two together.
 */
export const nodeSchema = field.mapping({
  role: field.oneOf(['validator', 'observer']).default('validator'),
  validator: ids.validator(),
  /** Whether it may be a validator that the genesis does not name, or names with another key. */
  joins: field.truth().default(false),
  dataDir: path(),
  network: field.mapping({
    genesis: path(),
    /** The genesis must be the one of this chain. */
    chainId: chainId().optional(),
    maxQueuePerPeer: field.size(MiB, 1024 * MiB).default(32 * MiB),
    minReconnectDelay: field.duration(10, minute).default(50),
    maxReconnectDelay: field.duration(100, 10 * minute).default(2 * second),
  }),
  peers: field
    .list(field.mapping({ validator: ids.validator(), address: dialAddress() }), 0, limits.maxValidators)
    .default([]),
  listen: field
    .mapping({
      peer: listenAddress().default({ host: '0.0.0.0', port: 7050 }),
      client: listenAddress().default({ host: '0.0.0.0', port: 7060 }),
      admin: listenAddress().default({ host: '127.0.0.1', port: 7070 }),
      http: listenAddress().default({ host: '127.0.0.1', port: 7080 }),
    })
    .prefault({}),
  tls: field.mapping({ peer: certificates(), client: certificates() }),
  key: validatorKey().optional(),
  /** Key that is to follow `key`, while it is rotated. */
  nextKey: validatorKey().optional(),
  storage: field
    .mapping({
      engine: field.oneOf(['auto', 'rocksdb', 'leveldb']).default('auto'),
      cache: field.size(MiB, 64 * 1024 * MiB).default(32 * MiB),
      witness: path().optional(),
      retain: field
        .mapping({
          blocks: field.integer(1, limits.maxHeight).optional(),
          states: field.integer(1, limits.maxHeight).optional(),
        })
        .prefault({}),
      segments: field
        .mapping({
          location: path().optional(),
          blocks: field.integer(1, bounds.maxSegmentBlocks).default(10_000),
        })
        .prefault({}),
    })
    .prefault({}),
  backup: field
    .mapping({
      target: path().optional(),
      every: field.duration(minute, 31 * 24 * 60 * minute).optional(),
      keep: field.integer(1, 10_000).default(14),
    })
    .prefault({}),
  consensus: field
    .mapping({
      viewTimeout: field.duration(50, 10 * minute).default(2 * second),
      maxViewTimeout: field.duration(50, 60 * minute).default(30 * second),
      retransmit: field.duration(20, minute).default(500),
      primarySilence: field.duration(100, 10 * minute).default(5 * second),
    })
    .prefault({}),
  mempool: field
    .mapping({
      maxTransactions: field.integer(1, 10_000_000).default(100_000),
      maxBytes: field.size(MiB, 16 * 1024 * MiB).default(64 * MiB),
      maxMemberTransactions: field.integer(1, 10_000_000).default(50_000),
      maxMemberBytes: field.size(64 * KiB, 16 * 1024 * MiB).default(32 * MiB),
      overdueAfter: field.duration(100, 60 * minute).default(10 * second),
    })
    .prefault({}),
  api: field
    .mapping({
      maxInFlightPerMember: field.integer(1, 1_000_000).default(20_000),
      maxInFlightBytesPerMember: field.size(MiB, 16 * 1024 * MiB).default(32 * MiB),
      maxInFlightPerStream: field.integer(1, 1_000_000).default(10_000),
      maxStreamsPerClient: field.integer(1, 100_000).default(32),
      defaultDeadline: field.duration(100, 60 * minute).default(30 * second),
      maxDeadline: field.duration(100, 60 * minute).default(2 * minute),
      reflection: field.truth().default(true),
      limits: field
        .mapping({
          perMember: traffic({
            requestsPerSecond: 5_000,
            transactionsPerSecond: 20_000,
            bytesPerSecond: 32 * MiB,
            maxOpenCalls: 2_048,
          }),
          perConnection: traffic({
            requestsPerSecond: 2_500,
            transactionsPerSecond: 20_000,
            bytesPerSecond: 16 * MiB,
            maxOpenCalls: 256,
          }),
        })
        .prefault({}),
    })
    .prefault({}),
  sync: field
    .mapping({
      maxBlocksPerRequest: field.integer(1, 1024).default(64),
      maxBlocksAhead: field.integer(1, 100_000).default(512),
      requestTimeout: field.duration(100, 10 * minute).default(minute),
      snapshotThreshold: field.integer(0, 1_000_000_000).default(20_000),
    })
    .prefault({}),
  verifier: field
    .mapping({
      /** Absent: as many as the machine has processors, less one, at least one. */
      threads: field.integer(1, 256).optional(),
    })
    .prefault({}),
  log: field
    .mapping({
      level: field.oneOf(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
      format: field.oneOf(['json', 'pretty']).default('json'),
    })
    .prefault({}),
});

export type NodeFile = z.output<typeof nodeSchema>;
