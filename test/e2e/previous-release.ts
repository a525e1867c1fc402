import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Folder of the build of the release before this one, or why there is none. Builds it if that was not done. */
export function previousRelease(): { readonly folder: string } | { readonly missing: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(process.cwd(), '.ci', 'previous-release.mjs')],
    { encoding: 'utf8', timeout: 300_000 },
  );
  if (status === 0) return { folder: stdout.trim() };
  const missing = stderr.trim().split('\n').at(-1) ?? '';
  // Only what cannot be had is skipped; what does not build is a failure.
  if (status === 3) return { missing };
  throw new Error(`The release before this one could not be built: ${missing}`);
}
