import { FolderObjectStore } from './folder.js';
import { ObjectStoreError, type ObjectStore } from './types.js';

/** The object storage at a place that a configuration or a command line names: a folder. */
export function openObjects(location: string): ObjectStore {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
    throw new ObjectStoreError(
      'BAD_KEY',
      `"${location.slice(0, 120)}" is not a folder; this version keeps objects in folders, which may be mounted.`,
      { location },
    );
  }
  return new FolderObjectStore(location);
}
