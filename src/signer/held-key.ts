import type { HeldKey } from '../config/index.js';
import type { Signer } from '../crypto/index.js';
import { openKeyFile, openKeystore, Pkcs11Signer, promptPassword } from '../crypto/native/index.js';

/** A key that this process signs with by itself. */
export interface OpenKey {
  readonly signer: Signer;
  close(): Promise<void>;
}

/**
 * Opens a key: a file, whose password comes from another file or from whoever sits at the terminal, or one on a token.
 * `changed` hears whether it can be used now. Rejects with a QuaestorError that says what was wrong.
 */
export async function openHeldKey(
  key: HeldKey,
  changed: (ready: boolean, reason: string | undefined) => void,
): Promise<OpenKey> {
  if (key.kind === 'pkcs11') {
    const signer = await Pkcs11Signer.open({ ...key, changed });
    return { signer, close: () => signer.close() };
  }
  const signer = await openFile(key.file, key.passwordFile);
  changed(true, undefined);
  return {
    signer,
    close: () => {
      signer.close();
      return Promise.resolve();
    },
  };
}

async function openFile(file: string, passwordFile: string | undefined): ReturnType<typeof openKeyFile> {
  if (passwordFile !== undefined) return openKeyFile(file, passwordFile);
  const opened = await openKeystore(file, await promptPassword(`Password of ${file}`));
  if (!opened.ok) throw opened.error;
  return opened.value;
}
