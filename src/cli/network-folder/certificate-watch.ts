import { stat } from 'node:fs/promises';
import type { TlsFiles } from '../../config/index.js';

const pollMs = 5_000;

/**
 * Calls `changed` when certificate files were replaced. Polls: notifications of file systems don't reach through the
 * links by which Kubernetes replaces mounted secrets, nor through network file systems. A change is reported when it
 * has been still for one poll, so that certificate and key are not read in the middle of being replaced.
 */
export function watchCertificates(
  groups: readonly TlsFiles[],
  changed: () => void,
): { readonly stop: () => void } {
  const files = [...new Set(groups.flatMap(({ ca, cert, key }) => [ca, cert, key]))];
  let used: string | undefined;
  let seen: string | undefined;
  const poll = async (): Promise<void> => {
    const now = await fingerprint(files);
    used ??= now;
    if (now === seen && now !== used) {
      used = now;
      changed();
    }
    seen = now;
  };
  void poll();
  const timer = setInterval(() => void poll(), pollMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

async function fingerprint(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs, ino, size }) => `${mtimeMs} ${ino} ${size}`,
        () => 'missing',
      ),
    ),
  );
  return parts.join('\n');
}
