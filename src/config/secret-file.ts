import { stat } from 'node:fs/promises';
import { readFailure } from './document.js';

/**
 * Why a file that holds a secret must not be used, as a sentence, or undefined. The rule is the one of PostgreSQL's
 * key files: nobody but the owner when it belongs to this user; the group may read it when it belongs to root (so that
 * a secret that Kubernetes mounts with an fsGroup works); nobody else ever.
 */
export async function secretFileProblem(file: string): Promise<string | undefined> {
  try {
    const { mode, uid } = await stat(file);
    const self = process.getuid?.();
    if (self === undefined) return undefined;
    const allowed = uid === self ? 0o700 : uid === 0 ? 0o740 : 0;
    const open = mode & 0o777 & ~allowed;
    if (open === 0) return undefined;
    return uid === self || uid === 0
      ? `The file ${file} has mode ${octal(mode)}, so that others can get at the secret; run "chmod ${uid === self ? '600' : '640'} ${file}".`
      : `The file ${file} belongs to user ${uid}; it must belong to this user (${self}) or to root.`;
  } catch (error) {
    return `${file}: ${readFailure(error)}`;
  }
}

function octal(mode: number): string {
  return `0${(mode & 0o777).toString(8).padStart(3, '0')}`;
}
