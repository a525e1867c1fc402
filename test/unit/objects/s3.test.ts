import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { openObjects, readObject } from '../../../src/objects/index.js';
import { itKeepsObjects } from '../../helpers/object-contract.js';
import { hasS3Server, S3Server } from '../../helpers/s3-server.js';

const secret = 'not-to-be-shown';
const before = { ...process.env };
beforeAll(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = secret;
});
afterAll(() => {
  process.env = before;
});

describe('a location s3://', () => {
  it.each([
    ['s3://bank/x?regoin=a', 'unknown option'],
    ['s3://bank/x?region=a&region=b', 'twice'],
    ['s3://bank/x?pathStyle=yes', 'neither true nor false'],
    ['s3://bank/x?endpoint=http://storage.example', 'loopback'],
    ['s3://bank/x?endpoint=ftp://127.0.0.1', 'loopback'],
    [`s3://bank/x?endpoint=https://a:${secret}@storage.example`, 'credentials'],
    [`s3://key:${secret}@bank/x`, 'credentials'],
    ['s3://bank//x//y', 'prefix'],
    ['s3://B/x', 'bucket'],
  ])('is refused with a sentence: %s', (location, reason) => {
    const open = () => openObjects(location);
    expect(open).toThrow(reason);
    expect(open).not.toThrow(secret);
    expect(open).toThrow(expect.objectContaining({ code: 'BAD_KEY' }));
  });

  it('loads the SDK at the first use only', () => {
    const script = `
      const { createRequire } = await import('node:module');
      const { openObjects } = await import('./dist/objects/index.js');
      const { cache } = createRequire(process.cwd() + '/x.js');
      const loaded = () => Object.keys(cache).some((file) => file.includes('@aws-sdk'));
      const objects = openObjects('s3://bank?endpoint=http://127.0.0.1:1&region=x');
      const first = loaded();
      await objects.head('one').catch(() => undefined);
      console.log(first, loaded());`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect(output.trim()).toBe('false true');
  });
});

(hasS3Server ? describe : describe.skip)('a bucket of a real S3 server', () => {
  let server: S3Server;
  let stores = 0;
  beforeAll(async () => {
    server = await S3Server.start();
  }, 90_000);
  afterAll(() => server.down());
  const open = () => openObjects(server.location.replace('/one', `/${stores++}`));

  itKeepsObjects(() => Promise.resolve(open()));

  it('keeps objects of several parts, and none of one whose source fails between them', async () => {
    const objects = open();
    const chunk = new Uint8Array(1024 * 1024).map((_, index) => index % 251);
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream
    const body = async function* (isFailing: boolean) {
      for (let sent = 0; sent < 35; sent++) yield chunk;
      if (isFailing) throw new Error('the source failed');
    };
    await expect(objects.put('big', body(true))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await objects.head('big')).toBeUndefined();
    const uploads = await (await server.request('GET', 'bank?uploads')).text();
    expect(uploads).not.toContain('<UploadId>');
    await objects.put('big', body(false));
    const read = await readObject(objects, 'big', 40 * chunk.length);
    expect(read.length).toBe(35 * chunk.length);
    expect(Buffer.compare(read.subarray(34 * chunk.length), chunk)).toBe(0);
  }, 60_000);

  it('lists more objects than one page has', async () => {
    const objects = open();
    const place = `bank/node/${stores - 1}`;
    for (let made = 0; made < 1005; made++) {
      await server.request('PUT', `${place}/${String(made).padStart(5, '0')}`, 'x');
    }
    const keys: string[] = [];
    for await (const { key } of objects.list('')) keys.push(key);
    expect(keys.length).toBe(1005);
    expect(keys).toEqual(keys.toSorted());
  }, 60_000);

  it('says that it is down, and goes on when it is back', async () => {
    const objects = open();
    await objects.put('one', new Uint8Array([1]));
    await server.down();
    const failure: unknown = await objects.head('one').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'UNAVAILABLE' });
    expect(String(failure)).not.toContain(secret);
    await server.up();
    await objects.put('one', new Uint8Array([2]));
    expect([...(await readObject(objects, 'one', 10))]).toEqual([2]);
  }, 90_000);

  it('says that a bucket is missing', async () => {
    const objects = openObjects(server.location.replace('bank', 'none'));
    await expect(objects.put('one', new Uint8Array([1]))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(objects.head('one')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
