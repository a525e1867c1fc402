import { concatBytes } from '../types/index.js';
import { ObjectStoreError, type ByteRange, type ObjectStore } from './types.js';

/** Bytes of an object, or of a part of it. Rejects with NOT_FOUND when the object has fewer bytes than the part, or is
 * longer than `maxBytes`. */
export async function readObject(
  objects: ObjectStore,
  key: string,
  maxBytes: number,
  range?: ByteRange,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of await objects.get(key, range)) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw wrongSize(objects, key, `has more than the ${maxBytes} bytes that it may have`);
    chunks.push(chunk);
  }
  if (range !== undefined && bytes !== range.end - range.start) {
    throw wrongSize(objects, key, `ends before byte ${range.end}`);
  }
  return concatBytes(...chunks);
}

const wrongSize = (objects: ObjectStore, key: string, what: string): ObjectStoreError =>
  new ObjectStoreError('NOT_FOUND', `The object "${key}" in ${objects.location} ${what}.`, { key });
