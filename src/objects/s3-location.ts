import { ObjectStoreError } from './types.js';

/** What a location `s3://bucket/prefix?endpoint=…&region=…&pathStyle=true` says. */
export interface S3Location {
  readonly bucket: string;
  /** Before each key: empty, or with a '/' at its end. */
  readonly prefix: string;
  /** Of a service other than Amazon's. */
  readonly endpoint?: string;
  /** By default what the SDK finds in the environment or in its files. */
  readonly region?: string;
  /** Whether the bucket is in the path rather than in the host name. */
  readonly pathStyle: boolean;
}

const options = new Set(['endpoint', 'region', 'pathStyle']);

/** Reads a location; throws BAD_KEY, without repeating the location, which may have a secret in a wrong place. */
export function parseS3Location(location: string): S3Location {
  let url: URL;
  try {
    url = new URL(location);
  } catch {
    throw bad('is not a URL');
  }
  if (url.username !== '' || url.password !== '') {
    throw bad('has credentials in it; give them in the environment or in files of the AWS SDK');
  }
  if (url.hash !== '' || url.port !== '') throw bad('has a port or a fragment; an endpoint is an option');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.hostname)) throw bad('names no valid bucket');
  const prefix = url.pathname.replace(/^\/|\/$/g, '');
  if (prefix !== '' && !/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(prefix)) {
    throw bad('has a prefix with other characters than those of keys, or with empty parts');
  }
  if (prefix.length > 256) throw bad('has a prefix of more than 256 characters');
  for (const name of url.searchParams.keys()) {
    if (!options.has(name)) throw bad('has an unknown option; there are endpoint, region and pathStyle');
    if (url.searchParams.getAll(name).length > 1) throw bad(`has the option ${name} twice`);
  }
  const pathStyle = url.searchParams.get('pathStyle') ?? 'false';
  if (pathStyle !== 'true' && pathStyle !== 'false')
    throw bad('has a pathStyle that is neither true nor false');
  const region = url.searchParams.get('region');
  if (region !== null && !/^[a-z0-9-]{1,64}$/i.test(region)) throw bad('has a region that is not a name');
  const endpoint = url.searchParams.get('endpoint');
  return {
    bucket: url.hostname,
    prefix: prefix === '' ? '' : `${prefix}/`,
    pathStyle: pathStyle === 'true',
    ...(region === null ? {} : { region }),
    ...(endpoint === null ? {} : { endpoint: checkedEndpoint(endpoint) }),
  };
}

function checkedEndpoint(endpoint: string): string {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw bad('has an endpoint that is not a URL, such as https://host:port');
  }
  const isLoopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\./.test(url.hostname);
  if (url.username !== '' || url.password !== '') throw bad('has credentials in its endpoint');
  if (url.search !== '' || url.hash !== '') throw bad('has an endpoint with a query or a fragment');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw bad('has an endpoint that is neither https:// nor http:// on a loopback address');
  }
  return url.href;
}

const bad = (what: string): ObjectStoreError =>
  new ObjectStoreError('BAD_KEY', `The s3:// location ${what}. Correct it.`);
