/**
 * The durable store of one validator: blocks, versioned state, indexes, the consensus log; one atomic synced write per
 * committed block. See docs/storage.md. Never interprets transactions or state, and never decides anything.
 */
export * from './types.js';
export type { WriteWitness } from './high-water.js';
export { StorageError, type StorageErrorCode } from './errors.js';
export {
  createMemoryStore,
  defaultEngine,
  defaultStoreMemory,
  openForAudit,
  openInstall,
  openMemoryInstall,
  openStore,
  storeOwner,
  type AuditedStore,
  type MemoryStoreOptions,
  type StoreMemory,
  type StoreOptions,
  type StoreOwner,
} from './open.js';
export { adoptIncoming, settleFolders, snapshotFolders } from './snapshot-folder.js';
export { StateInstall, targetOf } from './state-install.js';
export { MemoryDisk, type MemoryDiskCopy, type WriteSchedule } from './memory-engine.js';
export type { KeyValuePair } from './engine.js';
export { checked as checkedValue } from './records.js';
export { keySpaces, type KeySpace } from './key-spaces.js';
