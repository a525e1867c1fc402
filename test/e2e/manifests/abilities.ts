import { createRequire } from 'node:module';
import { previousRelease } from '../previous-release.js';
import { canMount } from '../small-disk.js';
import type { Abilities } from './manifest.js';

/** What manifests may ask for on this machine. */
export function abilitiesHere(): Abilities {
  return {
    fullDisk: canMount(),
    rocksdb: loads('@nxtedition/rocksdb'),
    previousRelease: 'folder' in previousRelease(),
  };
}

function loads(name: string): boolean {
  try {
    createRequire(import.meta.url)(name);
    return true;
  } catch {
    return false;
  }
}
