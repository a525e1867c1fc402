/**
 * Backups of a chain: the state of a final block in parts that are named by their content, the blocks up to it, and a
 * manifest; and stores that are made from them (docs/backup.md). What is read is proven from the genesis alone. Never
 * keeps or restores what a validator has signed.
 */
export { collectBackups, type Collected } from './collect.js';
export { BackupError, type BackupErrorCode } from './errors.js';
export { isBackupId } from './format.js';
export { lastBackupMs, listBackups, readBackup } from './manifests.js';
export {
  refuseUnfinishedRestore,
  restoreBackup,
  type RestoredStore,
  type RestoreOptions,
} from './restore.js';
export { takeBackup, type TakenBackup, type TakeOptions, type TakeProgress } from './take.js';
export { trustBackup, verifyBackup, type BackupProgress, type TrustedBackup } from './verify.js';
