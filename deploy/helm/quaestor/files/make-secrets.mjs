// Keeps a network's folder, as `quaestor init` makes it, as Secrets of a Kubernetes namespace: one for the genesis, two
// for each validator, one for each member and the operator. The first run decides: a second one after a failure, or
// after the release was removed and installed again, goes on with the network of the first.
//
// node make-secrets.mjs FOLDER PREFIX
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const [folder, prefix] = process.argv.slice(2);
if (folder === undefined || prefix === undefined) {
  console.error('Usage: node make-secrets.mjs FOLDER PREFIX');
  process.exit(2);
}
const account = process.env.SERVICE_ACCOUNT_DIR ?? '/var/run/secrets/kubernetes.io/serviceaccount';
const scripts = process.env.SCRIPTS_DIR ?? '/scripts';
const namespace = readFileSync(join(account, 'namespace'), 'utf8').trim();
const token = readFileSync(join(account, 'token'), 'utf8').trim();
const labels = JSON.parse(readFileSync(join(scripts, 'labels.json'), 'utf8'));
const port = process.env.KUBERNETES_SERVICE_PORT_HTTPS ?? '443';
const host = process.env.KUBERNETES_SERVICE_HOST ?? 'kubernetes.default.svc';
const api = `https://${host.includes(':') ? `[${host}]` : host}:${port}/api/v1/namespaces/${namespace}/secrets`;

/** Ids have dots and underscores, names of objects have not. */
const nameOf = (...parts) => [prefix, ...parts].join('-').replace(/[._]/g, '-');

const read = (path) => readFileSync(join(folder, path)).toString('base64');
const list = (name) => (existsSync(join(folder, name)) ? readdirSync(join(folder, name)).sort() : []);

/** Every Secret of the network in the folder, without its metadata, by name. */
function secretsOf() {
  const secrets = { [nameOf('genesis')]: { type: 'Opaque', data: { 'genesis.yaml': read('genesis.yaml') } } };
  for (const id of list('validators')) {
    const place = `validators/${id}`;
    const data = {
      'validator.key': read(`${place}/key/validator.key`),
      'validator.password': read(`${place}/key/validator.password`),
    };
    secrets[nameOf(id, 'key')] = { type: 'Opaque', data };
    secrets[nameOf(id, 'tls')] = { type: 'kubernetes.io/tls', data: tls(place, 'validator') };
  }
  for (const id of list('observers')) {
    secrets[nameOf(id, 'tls')] = { type: 'kubernetes.io/tls', data: tls(`observers/${id}`, 'observer') };
  }
  for (const member of list('clients')) {
    const place = `clients/${member}`;
    const data = {
      ...tls(place, 'client'),
      'member.key': read(`${place}/keys/member.key`),
      'member.password': read(`${place}/keys/member.password`),
    };
    secrets[nameOf('member', member)] = { type: 'Opaque', data };
  }
  secrets[nameOf('operator')] = { type: 'kubernetes.io/tls', data: tls('operator', 'client') };
  return secrets;
}

function tls(place, name) {
  return {
    'tls.crt': read(`${place}/tls/${name}.pem`),
    'tls.key': read(`${place}/tls/${name}-key.pem`),
    'ca.crt': read(`${place}/tls/ca.pem`),
  };
}

/** Calls the API server; rejects unless it answers with success or one of the accepted statuses. */
async function call(method, path, body, accepted = []) {
  const response = await fetch(`${api}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (response.ok || accepted.includes(response.status)) return { status: response.status, text };
  throw new Error(
    `${method} ${path === '' ? body.metadata.name : path}: the API server answered ${response.status}: ${text}`,
  );
}

const create = (name, { type, data }) =>
  call('POST', '', { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels }, type, data }, [409]);

try {
  const whole = nameOf('devnet');
  let secrets = secretsOf();
  // All in one object first: whatever happens afterwards, no two networks get mixed.
  const kept = Buffer.from(JSON.stringify(secrets)).toString('base64');
  const { status } = await create(whole, { type: 'Opaque', data: { 'network.json': kept } });
  if (status === 409) {
    const { data } = JSON.parse((await call('GET', `/${whole}`)).text);
    const earlier = JSON.parse(Buffer.from(data['network.json'], 'base64').toString('utf8'));
    const missing = Object.keys(secrets).filter((name) => !(name in earlier));
    if (missing.length > 0) {
      throw new Error(
        `The Secret ${whole} holds an earlier network, without ${missing.join(', ')}. Install with as many validators ` +
          'and the same world as then, or remove that network: its Secrets (label app.kubernetes.io/component: devnet) ' +
          'and the volumes of its validators.',
      );
    }
    console.log(`The network in the Secret ${whole} is used again.`);
    secrets = earlier;
  }
  for (const [name, secret] of Object.entries(secrets)) {
    const made = await create(name, secret);
    console.log(`Secret ${name}: ${made.status === 409 ? 'is there' : 'made'}.`);
  }
} catch (error) {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  console.error(cause instanceof Error ? `${message}: ${cause.message}` : message);
  process.exit(1);
}
