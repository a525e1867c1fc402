import { stat } from 'node:fs/promises';
import { exposedBits } from '../crypto/native/private-file.js';
import { readFailure } from './document.js';

/** Why a file that holds a secret must not be used, as a sentence, or undefined: `exposedBits` has the rule. */
export async function secretFileProblem(file: string): Promise<string | undefined> {
  try {
    const { mode, uid } = await stat(file);
    const self = process.getuid?.();
    if (self === undefined || exposedBits({ mode, uid }) === 0) return undefined;
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
