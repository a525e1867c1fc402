/** The Helm chart and the image's recipe, as far as Node.js alone can judge them. `npm run test:deploy` renders it. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { chart, generatedFiles, valuesSchemaFile } from './generated.js';
import { parseDockerfile, isSent } from './image/dockerfile.js';

const read = (path: string): string => readFileSync(path, 'utf8');
const yaml = (path: string): unknown => parse(read(path));
const schema = JSON.parse(read(valuesSchemaFile)) as JsonSchema;
const values = yaml(`${chart}/values.yaml`) as Record<string, unknown>;
const examples = readdirSync(`${chart}/ci`).map((name) => `${chart}/ci/${name}`);

interface JsonSchema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly $ref?: string;
  readonly allOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
}

/** The schema that a reference stands for. */
function resolve(part: JsonSchema): JsonSchema {
  const reference = part.$ref ?? part.allOf?.[0]?.$ref;
  return reference === undefined ? part : (schema.definitions?.[reference.split('/').at(-1) ?? ''] ?? part);
}

/** Every object of the schema with named fields, with its path. */
function objects(part: JsonSchema, path = ''): [string, JsonSchema][] {
  const { properties, items } = resolve(part);
  const below = Object.entries(properties ?? {}).flatMap(([name, value]) =>
    objects(value, `${path}/${name}`),
  );
  const inItems = items === undefined ? [] : objects(items, `${path}/*`);
  return [
    ...(properties === undefined ? [] : [[path, resolve(part)] as [string, JsonSchema]]),
    ...below,
    ...inItems,
  ];
}

describe('the Helm chart', () => {
  it('has generated parts that are up to date (npm run chart writes them)', async () => {
    for (const [path, text] of await generatedFiles(read)) {
      // A description that was polished elsewhere comes along with the next change of a field.
      const fields = (source: string): unknown =>
        path === valuesSchemaFile
          ? JSON.parse(source, (key, value: unknown) => (key === 'description' ? undefined : value))
          : source;
      expect([path, fields(read(path))]).toEqual([path, fields(text)]);
    }
  });

  it('runs the software of this repository by default', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(yaml(`${chart}/Chart.yaml`)).toMatchObject({
      apiVersion: 'v2',
      name: 'quaestor',
      appVersion: version,
    });
  });

  it('knows no value without a description, and takes no field that is not known', () => {
    for (const [path, part] of objects(schema)) {
      expect([path, part.additionalProperties]).toEqual([path, false]);
      for (const [name, field] of Object.entries(part.properties ?? {})) {
        const description = field.description ?? resolve(field).description ?? '';
        // What the commented example of the node's configuration says nothing of is plain enough.
        if (path.startsWith('/config')) continue;
        expect([`${path}/${name}`, description.length > 3]).toEqual([`${path}/${name}`, true]);
      }
    }
  });

  it('has a default, with a comment, for every value that its schema knows', () => {
    const known = Object.keys(schema.properties ?? {}).filter((name) => name !== 'global');
    expect(Object.keys(values).sort()).toEqual(known.sort());
    for (const [path, part] of objects(schema)) {
      if (path === '' || path.includes('*') || path.startsWith('/config') || path.startsWith('/global'))
        continue;
      const found = path
        .slice(1)
        .split('/')
        .reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], values);
      const optional = ['limits', 'requests'].includes(path.split('/').at(-1) ?? '');
      const fields = Object.keys(part.properties ?? {}).sort();
      if (!optional) expect([path, Object.keys(found as object).sort()]).toEqual([path, fields]);
    }
  });

  const accepted = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  it.each([`${chart}/values.yaml`, ...examples])('accepts %s', (path) => {
    const given = yaml(path) as Record<string, unknown>;
    expect(accepted.safeParse({ ...values, ...given }).error?.issues ?? []).toEqual([]);
  });

  it.each([
    ['netwrok', { netwrok: 'x' }, 'netwrok'],
    ['an unknown field of the node', { config: { storage: { engin: 'auto' } } }, 'engin'],
    ['a value that the chart decides', { config: { role: 'observer' } }, 'role'],
    ['a duration without a unit', { config: { consensus: { viewTimeout: '3' } } }, 'viewTimeout'],
    ['an address without a port', { peers: [{ validator: 'v', address: 'host' }] }, 'address'],
    ['a validator without an id', { validators: [{ keySecret: 'x' }] }, 'id'],
    ['root', { securityContext: { runAsUser: 0 } }, 'runAsUser'],
    ['a privileged port', { ports: { peer: 443 } }, 'peer'],
    ['limits without memory', { resources: { requests: { cpu: 1, memory: '1Gi' }, limits: {} } }, 'memory'],
    ['a network that is none', { peers: [{ validator: 'v', address: 'h:1', cidrs: ['10.0.0.1'] }] }, 'cidrs'],
  ])('refuses %s, and says where', (_what, wrong, field) => {
    const found = accepted.safeParse({ ...values, ...wrong });
    expect(JSON.stringify(found.error?.issues)).toContain(`"${field}"`);
  });
});

describe('the image', () => {
  const { stages, settings } = parseDockerfile(read('deploy/docker/Dockerfile'));

  it('is made from an exact version, and runs as nobody without a shell', () => {
    for (const { base } of stages) expect(base).toMatch(/^(node:\d+\.\d+\.\d+-bookworm-slim|scratch)$/);
    expect(stages.at(-1)).toMatchObject({ base: 'scratch' });
    expect(stages.at(-1)?.instructions.every(({ kind }) => kind !== 'run')).toBe(true);
    expect(settings.user).toBe('65532:65532');
    expect(settings.entrypoint).toEqual(['/usr/local/bin/node', '/opt/quaestor/dist/cli/main.js']);
    expect(settings.stopSignal).toBe('SIGTERM');
  });

  it('is built from sources only: no keys, data or history reach the builder', () => {
    const rules = read('deploy/docker/Dockerfile.dockerignore');
    for (const path of [
      'src/cli/main.ts',
      'proto/quaestor/ledger/v1/block.proto',
      'package.json',
      '.ci/prepare.mjs',
    ]) {
      expect([path, isSent(path, rules)]).toEqual([path, true]);
    }
    for (const path of [
      '.git/config',
      'data/devnet/validators/validator-1/key/validator.key',
      'node_modules/x/index.js',
      'dist/cli/main.js',
      '.env',
      'src/codec/wire/x.ts',
      '.ci/run',
    ]) {
      expect([path, isSent(path, rules)]).toEqual([path, false]);
    }
  });
});

describe('licences of what runs in production', () => {
  it('are judged by their SPDX expression', async () => {
    const path = '../../deploy/docker/licences.mjs';
    const { isAllowed } = (await import(path)) as { isAllowed: (expression: string) => boolean };
    const allowed = ['MIT', '(MIT OR GPL-3.0-only)', 'Apache-2.0 AND MIT', 'GPL-2.0-only OR (ISC AND 0BSD)'];
    const refused = [
      'GPL-3.0-only',
      'MIT AND GPL-2.0-only',
      '',
      'NONE',
      'SEE LICENSE IN x',
      '(MIT',
      'MIT MIT',
      'MIT)',
    ];
    expect(allowed.filter((expression) => !isAllowed(expression))).toEqual([]);
    expect(refused.filter((expression) => isAllowed(expression))).toEqual([]);
  });

  it('are all on the list of those that were agreed to', async () => {
    const path = '../../deploy/docker/licences.mjs';
    const { isAllowed } = (await import(path)) as { isAllowed: (expression: string) => boolean };
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Readonly<Record<string, { dev?: boolean; license?: string }>>;
    };
    const production = Object.entries(lock.packages).filter(([name, { dev }]) => name !== '' && dev !== true);
    expect(production.length).toBeGreaterThan(50);
    expect(production.filter(([, { license }]) => !isAllowed(license ?? 'NONE'))).toEqual([]);
  });
});
