import { FolderObjectStore } from './folder.js';
import { S3ObjectStore } from './s3.js';
import { ObjectStoreError, type ObjectStore } from './types.js';

/** The object storage at a place that a configuration or a command line names: a folder, or a bucket as
 * `s3://bucket/prefix?endpoint=https://host:port&region=…&pathStyle=true`. Throws BAD_KEY for other URLs. */
export function openObjects(location: string): ObjectStore {
  if (location.startsWith('s3://')) return new S3ObjectStore(location);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location)?.[1];
  if (scheme !== undefined) {
    throw new ObjectStoreError(
      'BAD_KEY',
      `The location is ${scheme.slice(0, 20)}://…, which is neither a folder nor s3://bucket/prefix. Correct it.`,
    );
  }
  return new FolderObjectStore(location);
}
