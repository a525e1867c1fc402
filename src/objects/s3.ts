/** Objects in a bucket of an S3-compatible service, by the AWS SDK, which is loaded at the first use. */
import type { S3Client } from '@aws-sdk/client-s3';
import { parseS3Location, type S3Location } from './s3-location.js';
import { checkKey, ObjectStoreError } from './types.js';
import type { ByteRange, ObjectBody, ObjectInfo, ObjectStore } from './types.js';

/** Bytes of a part of an upload: what one upload keeps in memory. With at most 10,000 parts, objects up to 156 GiB. */
const partBytes = 16 * 1024 * 1024;
const connectionTimeoutMs = 5_000;
/** Without a byte from the service. */
const requestTimeoutMs = 60_000;
const maxAttempts = 3;

interface Loaded {
  readonly sdk: typeof import('@aws-sdk/client-s3');
  readonly client: S3Client;
}

/** Objects in a bucket, under a prefix. Credentials are those that the SDK finds: environment, files, instance roles. */
export class S3ObjectStore implements ObjectStore {
  readonly location: string;
  readonly #at: S3Location;
  #loading: Promise<Loaded> | undefined;

  /** Throws BAD_KEY when the location is wrong. */
  constructor(location: string) {
    this.#at = parseS3Location(location);
    this.location = `s3://${this.#at.bucket}/${this.#at.prefix}`;
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    const at = this.#keyOf(key);
    try {
      const { client } = await this.#loaded();
      const { Upload } = await import('@aws-sdk/lib-storage');
      const { Readable } = await import('node:stream');
      let bytes = 0;
      const counted = (async function* () {
        for await (const chunk of body instanceof Uint8Array ? [body] : body) {
          bytes += chunk.length;
          yield chunk;
        }
      })();
      // An object of one part is one request; a longer one comes into being when its parts are completed. Each request
      // carries the SHA-256 of its body in its signature, which the service checks.
      await new Upload({
        client,
        params: { ...at, Body: Readable.from(counted, { objectMode: false }) },
        queueSize: 1,
        partSize: partBytes,
        leavePartsOnError: false,
      }).done();
      const stored = await this.head(key);
      if (stored?.bytes !== bytes) {
        throw new ObjectStoreError(
          'UNAVAILABLE',
          `"${key}" in ${this.location} has other than the ${bytes} bytes that were written. Check what else writes there.`,
          { key },
        );
      }
    } catch (error) {
      throw this.#failed('written', key, error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const at = this.#keyOf(key);
    try {
      const { sdk, client } = await this.#loaded();
      const isEmpty = range !== undefined && range.end <= range.start;
      if (isEmpty) {
        await client.send(new sdk.HeadObjectCommand(at));
        return this.#translated(key, []);
      }
      const Range = range && `bytes=${range.start}-${range.end - 1}`;
      const found = await client.send(
        new sdk.GetObjectCommand({ ...at, ...(Range === undefined ? {} : { Range }) }),
      );
      return this.#translated(key, (found.Body ?? []) as AsyncIterable<Uint8Array> | Uint8Array[]);
    } catch (error) {
      throw this.#failed('read', key, error);
    }
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    try {
      const { sdk, client } = await this.#loaded();
      const pages = sdk.paginateListObjectsV2(
        { client },
        { Bucket: this.#at.bucket, Prefix: this.#at.prefix + prefix },
      );
      for await (const page of pages) {
        for (const { Key, Size } of page.Contents ?? []) {
          const key = (Key ?? '').slice(this.#at.prefix.length);
          // What others put there, such as markers of folders, is not ours.
          if (isKey(key)) yield { key, bytes: Size ?? 0 };
        }
      }
    } catch (error) {
      throw this.#failed('listed', prefix, error);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const at = this.#keyOf(key);
    try {
      const { sdk, client } = await this.#loaded();
      const found = await client.send(new sdk.HeadObjectCommand(at));
      return { key, bytes: found.ContentLength ?? 0 };
    } catch (error) {
      const failed = this.#failed('looked at', key, error);
      if (failed.code !== 'NOT_FOUND') throw failed;
      await this.#checkBucket(key);
      return undefined;
    }
  }

  /** Rejects when the bucket is missing, which an answer to HEAD of an object does not tell from a missing object. */
  async #checkBucket(key: string): Promise<void> {
    const { sdk, client } = await this.#loaded();
    try {
      await client.send(new sdk.HeadBucketCommand({ Bucket: this.#at.bucket }));
    } catch (error) {
      const { status } = describe(error);
      // Whoever may only see the prefix is denied the bucket, which is there then.
      if (status === 403) return;
      throw this.#failed('looked at', key, status === 404 ? { name: 'NoSuchBucket' } : error);
    }
  }

  async delete(key: string): Promise<void> {
    const at = this.#keyOf(key);
    try {
      const { sdk, client } = await this.#loaded();
      await client.send(new sdk.DeleteObjectCommand(at));
    } catch (error) {
      throw this.#failed('removed', key, error);
    }
  }

  #keyOf(key: string): { Bucket: string; Key: string } {
    checkKey(key);
    return { Bucket: this.#at.bucket, Key: this.#at.prefix + key };
  }

  async #loaded(): Promise<Loaded> {
    this.#loading ??= load(this.#at);
    return this.#loading;
  }

  async *#translated(
    key: string,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) yield chunk;
    } catch (error) {
      throw this.#failed('read', key, error);
    }
  }

  #failed(doing: string, key: string, error: unknown): ObjectStoreError {
    if (error instanceof ObjectStoreError) return error;
    const { name, status } = describe(error);
    const [code, advice] = meaning(name, status);
    const reason = status === undefined ? name : `${name}, HTTP status ${status}`;
    return new ObjectStoreError(
      code,
      `"${key}" in ${this.location} can not be ${doing} (${reason}). ${advice}`,
      { key, location: this.location },
      error,
    );
  }
}

async function load(at: S3Location): Promise<Loaded> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    ...(at.region === undefined ? {} : { region: at.region }),
    ...(at.endpoint === undefined ? {} : { endpoint: at.endpoint }),
    forcePathStyle: at.pathStyle,
    maxAttempts,
    requestHandler: { connectionTimeout: connectionTimeoutMs, socketTimeout: requestTimeoutMs },
    // Many S3-compatible services refuse or misread the SDK's default checksums in trailers; signatures cover bodies.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { sdk, client };
}

function isKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}

/** Only names and numbers of an error: messages of services may repeat access keys. */
function describe(error: unknown): { name: string; status: number | undefined } {
  const failure = error as { name?: unknown; code?: unknown; $metadata?: { httpStatusCode?: number } } | null;
  const name = [failure?.code, failure?.name].find((value) => typeof value === 'string' && value !== '');
  return { name: typeof name === 'string' ? name : 'Error', status: failure?.$metadata?.httpStatusCode };
}

function meaning(name: string, status: number | undefined): ['NOT_FOUND' | 'DENIED' | 'UNAVAILABLE', string] {
  if (name === 'NoSuchBucket') return ['UNAVAILABLE', 'Create the bucket or correct the location.'];
  if (status === 404) return ['NOT_FOUND', 'There is no such object; check the bucket and the prefix.'];
  if (status === 416) return ['NOT_FOUND', 'The object is shorter than the part that was asked for.'];
  if (status === 401 || status === 403 || name === 'CredentialsProviderError') {
    return ['DENIED', 'Check the credentials and what they permit on the bucket.'];
  }
  return ['UNAVAILABLE', 'Check the endpoint, the region and the network, and try again.'];
}
