/**
 * The chart installed by helm through a real API server, with Kubernetes' own controllers and admission: what they make
 * of it, what they refuse. There are no nodes; the tests say of pods what a kubelet would. A part of
 * `npm run test:deploy` only.
 */
/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access,
   @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return
   -- objects of the API are read as they come: a field that is not there fails the test that looks at it */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { Cluster } from './cluster.js';
import { chart } from './generated.js';
import { find, helm, manifestsOf, type Manifest, type Spec } from './helm.js';
import { findTool } from './tools.js';

const programs = findTool('cluster');
const suite =
  process.env['QUAESTOR_DEPLOY_TESTS'] === 'all' && programs !== undefined && helm !== undefined
    ? describe
    : describe.skip;
const file = (name: string): string[] => ['--values', `${chart}/ci/${name}.yaml`];

suite('a cluster (needs test:deploy, helm, cluster)', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start(programs ?? '');
    for (const name of ['bank', 'other', 'dev', 'dry']) await cluster.restrictedNamespace(name);
  }, 180_000);
  afterAll(() => cluster.stop());

  const podsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
  const setPath = (namespace: string): string =>
    `/apis/apps/v1/namespaces/${namespace}/statefulsets/ledger-quaestor`;
  const ready = (since: Date): object => ({
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since.toISOString() }],
  });
  /** Pods of validators that are not about to go, by name. */
  const validators = async (namespace: string): Promise<readonly Manifest[]> =>
    (await cluster.list(`${podsPath(namespace)}?labelSelector=app.kubernetes.io/component=validator`)).filter(
      ({ metadata }) => !('deletionTimestamp' in metadata),
    );
  const makeReady = async (namespace: string): Promise<void> => {
    for (const { metadata } of await validators(namespace)) {
      await cluster.setPodStatus(namespace, metadata.name, ready(new Date(Date.now() - 60_000)));
    }
  };

  it.each(readdirSync(`${chart}/ci`))(
    'takes every object of %s, with no field that it does not know',
    async (name) => {
      const rendered = cluster.helm(
        'dry',
        ['template', 'dry', chart, '--kube-version', '1.36.0', '--values', `${chart}/ci/${name}`],
        {
          // A pod is taken only if its account is there already.
          serviceAccount: { existing: 'default' },
          // Their definitions are not installed here; schemas.test.ts holds them against their own.
          certManager: { enabled: false },
          monitoring: { serviceMonitor: { enabled: false }, prometheusRule: { enabled: false } },
        },
      );
      expect([rendered.ok, rendered.stderr]).toEqual([true, '']);
      for (const manifest of manifestsOf(rendered.stdout)) {
        const path = collectionOf(manifest);
        const answer = await cluster.call('POST', `${path}?dryRun=All&fieldValidation=Strict`, manifest);
        const what = `${manifest.kind}/${manifest.metadata.name}`;
        expect([what, answer.status, answer.body.message]).toEqual([what, 201, undefined]);
      }
    },
    120_000,
  );

  const install = (namespace: string, values: object, release = 'ledger'): ReturnType<Cluster['helm']> =>
    cluster.helm(namespace, ['install', release, chart, ...file('all-in-one')], {
      monitoring: { serviceMonitor: { enabled: false } },
      podDisruptionBudget: { maxUnavailable: null },
      updateStrategy: { minReadySeconds: 5 },
      ...values,
    });

  it('makes a pod for each validator, all at once, in a namespace that enforces the restricted standard', async () => {
    const { ok, stdout, stderr } = install('bank', {});
    expect([ok, stderr]).toEqual([true, '']);
    expect(stdout).toContain('7 of 7 validators in this release');
    expect(stdout).toContain('rollout status statefulset/ledger-quaestor');
    await eventually('there are seven pods', async () => (await validators('bank')).length === 7);
    const claims = await cluster.list('/api/v1/namespaces/bank/persistentvolumeclaims');
    expect(claims.map(({ metadata }) => metadata.name).sort()).toEqual(
      Array.from({ length: 7 }, (_, index) => `data-ledger-quaestor-${index}`),
    );
    expect(claims.every(({ spec }) => spec.accessModes[0] === 'ReadWriteOncePod')).toBe(true);
  }, 120_000);

  it('lets no second release run the same validators in the namespace', async () => {
    const { ok, stderr } = install('bank', {}, 'second');
    expect(ok).toBe(false);
    expect(stderr).toMatch(/quaestor-identity-[0-9a-f]+.*invalid ownership metadata/s);
    expect(await validators('bank')).toHaveLength(7);
  }, 120_000);

  it('evicts at most f validators', async () => {
    await makeReady('bank');
    const budget = '/apis/policy/v1/namespaces/bank/poddisruptionbudgets/ledger-quaestor';
    await eventually('two may go', async () => {
      const { body } = await cluster.call('GET', budget);
      return (body.status as { disruptionsAllowed?: number } | undefined)?.disruptionsAllowed === 2;
    });
    const evict = async (pod: string): Promise<number> => {
      const eviction = {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: pod, namespace: 'bank' },
      };
      return (await cluster.call('POST', `${podsPath('bank')}/${pod}/eviction`, eviction)).status;
    };
    expect(await evict('ledger-quaestor-0')).toBe(201);
    expect(await evict('ledger-quaestor-1')).toBe(201);
    expect(await evict('ledger-quaestor-2')).toBe(429);
    await eventually('the two are made anew', async () => (await validators('bank')).length === 7);
    // They do not vote yet: still nobody else may go.
    expect(await evict('ledger-quaestor-2')).toBe(429);
  }, 120_000);

  it('replaces pods after a change from the last to the first, each when the one before votes again', async () => {
    await makeReady('bank');
    const before = new Map((await validators('bank')).map(({ metadata }) => [metadata.name, uid(metadata)]));
    const replaced = async (): Promise<string[]> =>
      (await validators('bank'))
        .filter(({ metadata }) => before.get(metadata.name) !== uid(metadata))
        .map(({ metadata }) => metadata.name)
        .sort();
    const upgraded = cluster.helm('bank', ['upgrade', 'ledger', chart, '--reuse-values'], {
      config: { log: { level: 'debug' } },
      updateStrategy: { partition: 4, minReadySeconds: 5 },
    });
    expect([upgraded.ok, upgraded.stderr]).toEqual([true, '']);
    await eventually('the last pod is replaced', async () =>
      (await replaced()).includes('ledger-quaestor-6'),
    );
    // The controller has looked at the set since, and left the others alone.
    await eventually('the controller has seen the change', async () => {
      const { body } = await cluster.call('GET', setPath('bank'));
      const status = body.status as { observedGeneration?: number; updatedReplicas?: number };
      return (
        status.observedGeneration === (body.metadata as { generation?: number }).generation &&
        status.updatedReplicas === 1
      );
    });
    expect(await replaced()).toEqual(['ledger-quaestor-6']);
    for (const next of ['ledger-quaestor-5', 'ledger-quaestor-4']) {
      await makeReady('bank');
      await eventually(`${next} is replaced`, async () => (await replaced()).includes(next));
    }
    await makeReady('bank');
    await eventually('the trial is over', async () => {
      const { body } = await cluster.call('GET', setPath('bank'));
      const status = body.status as { updatedReplicas?: number; availableReplicas?: number };
      return status.updatedReplicas === 3 && status.availableReplicas === 7;
    });
    // Those below the partition keep the old version.
    expect(await replaced()).toEqual(['ledger-quaestor-4', 'ledger-quaestor-5', 'ledger-quaestor-6']);
  }, 180_000);

  it('keeps the volumes when the release is removed, and refuses a change of their size as documented', async () => {
    const grown = cluster.helm('bank', ['upgrade', 'ledger', chart, '--reuse-values'], {
      persistence: { size: '200Gi' },
    });
    expect(grown.stderr).toMatch(/updates to statefulset spec for fields other than/);
    expect(cluster.helm('bank', ['uninstall', 'ledger']).ok).toBe(true);
    await eventually(
      'the set is gone',
      async () => (await cluster.call('GET', setPath('bank'))).status === 404,
    );
    expect(await cluster.list('/api/v1/namespaces/bank/persistentvolumeclaims')).toHaveLength(7);
  }, 120_000);

  it('keeps the keys of a network for development as Secrets, with no more rights than to make them', async () => {
    const values = { observers: { enabled: true } };
    const rendered = cluster.helm(
      'dev',
      ['template', 'net', chart, '--kube-version', '1.36.0', ...file('development')],
      values,
    );
    const manifests = manifestsOf(rendered.stdout).filter(
      ({ metadata }) => metadata.name === 'net-quaestor-devnet',
    );
    for (const manifest of manifests.filter(({ kind }) => kind !== 'Job')) {
      expect((await cluster.call('POST', collectionOf(manifest), manifest)).status).toBe(201);
    }
    // What the job does in its two containers, with the token and the files that its pod would have.
    const network = join(cluster.folder, 'network');
    const job = find(manifests, 'Job').spec.template.spec;
    const [init] = job.initContainers;
    const args = (init.args as string[]).map((word) => (word === '/work/network' ? network : word));
    execFileSync(process.execPath, ['dist/cli/main.js', ...args]);
    const token = await cluster.call(
      'POST',
      '/api/v1/namespaces/dev/serviceaccounts/net-quaestor-devnet/token',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {},
      },
    );
    const account = join(cluster.folder, 'account');
    mkdirSync(account);
    writeFileSync(join(account, 'namespace'), 'dev');
    writeFileSync(join(account, 'token'), (token.body.status as { token: string }).token);
    const { data = {} } = find(manifests, 'ConfigMap');
    for (const [name, text] of Object.entries(data)) writeFileSync(join(account, name), text);
    const script = (from: string): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [join(account, 'make-secrets.mjs'), from, 'net-quaestor'], {
        encoding: 'utf8',
        env: {
          ...process.env,
          NODE_EXTRA_CA_CERTS: cluster.caFile,
          SERVICE_ACCOUNT_DIR: account,
          SCRIPTS_DIR: account,
          KUBERNETES_SERVICE_HOST: '127.0.0.1',
          KUBERNETES_SERVICE_PORT_HTTPS: String(cluster.port),
        },
      });
    const made = script(network);
    expect([made.status, made.stderr]).toEqual([0, '']);
    // Every Secret that the pods mount is there, with every key.
    const secrets = new Map(
      (await cluster.list('/api/v1/namespaces/dev/secrets')).map((secret) => [secret.metadata.name, secret]),
    );
    for (const { spec } of manifestsOf(rendered.stdout).filter(({ kind }) =>
      ['StatefulSet', 'Deployment', 'Pod'].includes(kind),
    )) {
      for (const { name, items } of secretsOf((spec.template?.spec ?? spec).volumes)) {
        const keys = Object.keys(secrets.get(name)?.data ?? {});
        expect([name, items.filter((key) => !keys.includes(key)), keys.length > 0]).toEqual([name, [], true]);
      }
    }
    // Another run, with new keys, as after a failure: the first network stays.
    const again = join(cluster.folder, 'network-2');
    execFileSync(process.execPath, [
      'dist/cli/main.js',
      ...args.map((word) => (word === network ? again : word)),
    ]);
    const second = script(again);
    expect([second.status, second.stdout]).toEqual([0, expect.stringContaining('is used again')]);
    const genesis = (await cluster.call('GET', '/api/v1/namespaces/dev/secrets/net-quaestor-genesis')).body
      .data;
    expect(genesis).toEqual(secrets.get('net-quaestor-genesis')?.data);
    // The account may do nothing else.
    const review = async (verb: string, name: string): Promise<unknown> => {
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: 'system:serviceaccount:dev:net-quaestor-devnet',
          resourceAttributes: { namespace: 'dev', verb, resource: 'secrets', name },
        },
      };
      return (
        (await cluster.call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', body)).body
          .status as { allowed: boolean }
      ).allowed;
    };
    expect(await review('get', 'net-quaestor-validator-1-key')).toBe(false);
    expect(await review('list', '')).toBe(false);
    expect(await review('delete', 'net-quaestor-genesis')).toBe(false);
  }, 180_000);
});

function uid(metadata: Manifest['metadata']): string {
  return (metadata as { uid?: string }).uid ?? '';
}

/** Path that objects of a kind are made at. */
function collectionOf({ apiVersion, kind, metadata }: Manifest): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const plural = kind === 'NetworkPolicy' ? 'networkpolicies' : `${kind.toLowerCase()}s`;
  return `${group}/namespaces/${metadata.namespace ?? ''}/${plural}`;
}

/** Secrets that volumes are made of, with the keys that are taken. */
function secretsOf(volumes: readonly Spec[]): { readonly name: string; readonly items: readonly string[] }[] {
  return volumes.flatMap((volume) => [
    ...(volume.secret === undefined ? [] : [{ name: volume.secret.secretName, items: [] }]),
    ...(volume.projected?.sources ?? []).map(({ secret }: Spec) => ({
      name: secret.name,
      items: secret.items.map(({ key }: { key: string }) => key),
    })),
  ]);
}
