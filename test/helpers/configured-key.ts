import type { KeySource } from '../../src/config/index.js';
import { openKeyFile, type KeySigner } from '../../src/crypto/native/index.js';

/** The key of a node's configuration, which is in a file. */
export function openConfiguredKey(key: KeySource | undefined): Promise<KeySigner> {
  if (key?.kind !== 'file' || key.passwordFile === undefined) throw new Error('the key is not in a file');
  return openKeyFile(key.file, key.passwordFile);
}
