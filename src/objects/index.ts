/** Object storage: where segments of old blocks and backups are kept. Never interprets what it stores. */
export {
  checkKey,
  ObjectStoreError,
  type ByteRange,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  type ObjectStoreErrorCode,
} from './types.js';
export { FolderObjectStore } from './folder.js';
export { openObjects } from './open.js';
export { readObject } from './read.js';
