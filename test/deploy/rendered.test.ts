/** What the Helm chart renders, for one institution and for a whole network: `helm` does it, policies judge it. */
/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access,
   @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return
   -- manifests are read as they come: a field that is not there fails the test that looks at it */
import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadNodeConfig, type NodeConfig } from '../../src/config/index.js';
import { chart, rulesFile } from './generated.js';
import { find, helm, podsOf, render, runHelm, template, type Manifest, type Spec } from './helm.js';

const withHelm = helm === undefined ? describe.skip : describe;
const examples = readdirSync(`${chart}/ci`).sort();
const file = (name: string): string => `${chart}/ci/${name}.yaml`;
const one = [file('one-institution')];
const all = [file('all-in-one')];
const development = [file('development')];
const certManager = [file('one-institution-cert-manager')];
/** Values that change what is rendered, over each example. */
const variants: readonly (readonly [string, object])[] = [
  ['as it is', {}],
  ['without policies and tests', { networkPolicy: { enabled: false }, tests: { enabled: false } }],
  [
    'with everything optional',
    {
      monitoring: { serviceMonitor: { enabled: true }, prometheusRule: { enabled: true } },
      externalServices: { enabled: true, type: 'NodePort', clients: true },
      commonLabels: { team: 'ledger' },
      commonAnnotations: { contact: 'ledger@example.com' },
      podLabels: { mesh: 'off' },
      podAnnotations: { note: 'x' },
      priorityClassName: 'high',
      runtimeClassName: 'gvisor',
      imagePullSecrets: [{ name: 'registry' }],
      extraEnv: [{ name: 'QUAESTOR_LOG_LEVEL', value: 'debug' }],
      extraVolumes: [{ name: 'extra', emptyDir: {} }],
      extraVolumeMounts: [{ name: 'extra', mountPath: '/extra' }],
      updateStrategy: { type: 'OnDelete' },
      preStopSleepSeconds: 0,
      fullnameOverride: 'ledger',
    },
  ],
];
const matrix = examples.flatMap((name) =>
  variants.map(([what, values]) => [name.replace('.yaml', ''), what, values] as const),
);

withHelm('the chart (needs helm)', () => {
  it.each(examples)('passes lint --strict with %s', (name) => {
    const result = runHelm([
      'lint',
      '--strict',
      '--kube-version',
      '1.34.0',
      chart,
      '--values',
      `${chart}/ci/${name}`,
    ]);
    expect([result.ok, result.stdout]).toEqual([true, expect.stringContaining('0 chart(s) failed')]);
  });

  it('refuses a cluster that is too old for it', () => {
    expect(template(one, {}, '1.29.0').stderr).toContain('kubeVersion: >=1.30.0-0');
  });
});

withHelm.each(matrix)('%s, %s (needs helm)', (name, _what, values) => {
  const manifests = helm === undefined ? [] : render([file(name)], values);

  it('has pods fit for the restricted Pod Security Standard, with a read-only root', () => {
    expect(podsOf(manifests).length).toBeGreaterThan(0);
    for (const { name: pod, pod: spec } of podsOf(manifests)) {
      expect([pod, restrictedProblems(spec as PodSpec)]).toEqual([pod, []]);
    }
  });

  it('gives no pod a token or rights but the job that makes a network for development', () => {
    for (const { name: pod, pod: spec } of podsOf(manifests)) {
      expect([pod, spec.automountServiceAccountToken]).toEqual([pod, pod.startsWith('Job/')]);
      expect([pod, spec.enableServiceLinks]).toEqual([pod, false]);
    }
    const rules = manifests.filter(({ kind }) => /Role/.test(kind));
    expect(rules.map(({ kind }) => kind)).toEqual(name === 'development' ? ['Role', 'RoleBinding'] : []);
    expect(manifests.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
  });

  it('names every image by a version or digest, and every container’s resources', () => {
    for (const { name: pod, pod: spec } of podsOf(manifests)) {
      for (const container of containersOf(spec as PodSpec)) {
        expect([pod, container.image]).toEqual([
          pod,
          expect.stringMatching(/(:\d+\.\d+\.\d+|@sha256:[0-9a-f]{64})$/),
        ]);
        const { requests, limits } = container.resources;
        expect([pod, Object.keys(requests).sort(), Object.keys(limits)]).toEqual([
          pod,
          ['cpu', 'memory'],
          ['memory'],
        ]);
      }
    }
  });

  it('mounts only volumes that there are', () => {
    for (const { name: pod, pod: spec } of podsOf(manifests)) {
      const claims = manifests.filter(({ kind }) => kind === 'StatefulSet').length > 0 ? ['data'] : [];
      const volumes = new Set([
        ...(spec.volumes ?? []).map((volume: { name: string }) => volume.name),
        ...claims,
      ]);
      const mounts = containersOf(spec as PodSpec).flatMap(({ volumeMounts = [] }) => volumeMounts);
      expect([pod, mounts.filter((mount) => !volumes.has(mount.name))]).toEqual([pod, []]);
    }
  });

  it('has names, labels and namespace on everything, and no name twice', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(names.filter((item, index) => names.indexOf(item) !== index)).toEqual([]);
    for (const { kind, metadata } of manifests) {
      expect([kind, metadata.namespace]).toEqual([kind, 'bank']);
      expect([kind, metadata.name.length <= 63, metadata.labels?.['app.kubernetes.io/instance']]).toEqual([
        kind,
        true,
        'q',
      ]);
    }
  });

  it('configures nodes as their own reader accepts it', async () => {
    for (const [key, config] of await nodeConfigs(manifests)) {
      expect([key, config.listen.admin.host === '127.0.0.1' || config.listen.admin.host === '::1']).toEqual([
        key,
        true,
      ]);
      expect([key, config.dataDir]).toEqual([key, '/var/lib/quaestor/data']);
      expect([key, config.warnings]).toEqual([key, []]);
    }
  });
});

withHelm('validators (need helm)', () => {
  it('start together, are replaced one by one after they vote again, and keep their volumes', () => {
    const { spec } = find(render(all), 'StatefulSet');
    expect(spec).toMatchObject({
      replicas: 7,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    });
    // Long enough to hear of the others' heights, by which a replica knows whether it is behind.
    expect(spec.minReadySeconds).toBeGreaterThanOrEqual(15);
    expect(spec.volumeClaimTemplates[0].spec.accessModes).toEqual(['ReadWriteOncePod']);
  });

  it('are probed for what each probe is for: living does not depend on others, readiness does on voting', () => {
    const [container] = find(render(one), 'StatefulSet').spec.template.spec.containers;
    expect(container.livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'http' });
    expect(container.startupProbe.httpGet).toEqual({ path: '/healthz', port: 'http' });
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' });
    // A stall of half a minute restarts nobody.
    const { periodSeconds, failureThreshold } = container.livenessProbe;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(30);
  });

  it.each([1, 3, 4, 5, 6, 7, 10, 13])('of a network of %i: no more than f may be taken down', (size) => {
    const validators = Array.from({ length: size }, (_, index) => ({ id: `validator-${index + 1}` }));
    const budget = find(
      render(all, { validators, podDisruptionBudget: { maxUnavailable: null } }),
      'PodDisruptionBudget',
    );
    expect(budget.spec.maxUnavailable).toBe(Math.floor((size - 1) / 3));
    const more = template(all, {
      validators,
      podDisruptionBudget: { maxUnavailable: Math.floor((size - 1) / 3) + 1 },
    });
    expect(more.stderr).toContain('podDisruptionBudget.maxUnavailable');
  });

  it('of one institution count those of others for f', () => {
    expect(find(render(one), 'PodDisruptionBudget').spec.maxUnavailable).toBe(1);
    const seven = render(one, { consortium: { validators: 7 } });
    expect(find(seven, 'PodDisruptionBudget').spec.maxUnavailable).toBe(2);
  });

  it('each have their own key, identity and address, and know all others', async () => {
    const manifests = render(all);
    const configs = await nodeConfigs(manifests);
    expect(configs.map(([name, { validator }]) => [name, validator])).toEqual(
      Array.from({ length: 7 }, (_, index) => [`q-quaestor-${index}.yaml`, `validator-${index + 1}`]),
    );
    for (const [, config] of configs) {
      expect(config.peers).toHaveLength(6);
      expect(config.peers.at(-1)?.address).toEqual({
        host: expect.stringMatching(/^q-quaestor-[56]\.q-quaestor-peers\.bank\.svc\.cluster\.local$/),
        port: 7050,
      });
    }
    const { spec } = find(manifests, 'StatefulSet').spec.template;
    const keys = spec.volumes.find(({ name }: { name: string }) => name === 'keys').projected;
    expect(keys.defaultMode).toBe(0o400);
    const paths = keys.sources.flatMap(({ secret }: Spec) =>
      secret.items.map(({ path }: { path: string }) => `${secret.name} ${path}`),
    );
    expect(paths).toContain('q-quaestor-validator-3-key q-quaestor-2/validator.key');
    const mount = spec.containers[0].volumeMounts.find(({ name }: { name: string }) => name === 'keys');
    // A pod sees the folder of its own name only.
    expect(mount).toMatchObject({
      mountPath: '/etc/quaestor/key',
      subPathExpr: '$(POD_NAME)',
      readOnly: true,
    });
    expect(find(manifests, 'Service', 'q-quaestor-peers').spec).toMatchObject({
      clusterIP: 'None',
      publishNotReadyAddresses: true,
    });
  });

  it('may have their key elsewhere: then no pod holds one', async () => {
    const publicKey = '5d4f90c172be8d6aaf403d81c265ebf790a1b2c3d4e5f60718293a4b5c6d7e8f';
    const tls = { ca: '/signer/ca.crt', cert: '/signer/tls.crt', key: '/signer/tls.key' };
    const key = { remote: { address: 'signer.vault:7090', publicKey, tls } };
    const manifests = render(one, { validators: [{ id: 'validator-1', key }] });
    const [[, config] = ['', undefined]] = await nodeConfigs(manifests);
    expect(config?.key).toMatchObject({ kind: 'remote', address: 'signer.vault:7090' });
    const { spec } = find(manifests, 'StatefulSet').spec.template;
    expect(
      [...spec.volumes, ...spec.containers[0].volumeMounts].filter(({ name }) => name === 'keys'),
    ).toEqual([]);
    expect(template(one, { validators: [{ id: 'a', key }, { id: 'b' }] }).stderr).toContain(
      'validators[1].key',
    );
    expect(template(one, { validators: [{ id: 'a', key: {} }] }).stderr).toContain("at '/validators/0/key'");
  });

  it('are claimed by their release: the same validator of the same network has one name in a namespace', () => {
    const identities = (values: object): string[] =>
      render(one, values)
        .filter(({ metadata }) => metadata.name.startsWith('quaestor-identity-'))
        .map(({ metadata }) => metadata.name);
    const [mine] = identities({});
    expect(identities({ fullnameOverride: 'another' })).toEqual([mine]);
    expect(identities({ network: 'another' })).not.toEqual([mine]);
  });

  it('are restarted by a change of the configuration, and by nothing else', () => {
    const annotation = (values: object): Record<string, string> =>
      find(render(one, values), 'StatefulSet').spec.template.metadata.annotations as Record<string, string>;
    const before = annotation({});
    expect(annotation({ config: { log: { level: 'debug' } } })['checksum/config']).not.toBe(
      before['checksum/config'],
    );
    expect(annotation({ genesis: { key: 'other.yaml' } })['checksum/genesis']).not.toBe(
      before['checksum/genesis'],
    );
    expect(
      annotation({ monitoring: { serviceMonitor: { enabled: true } }, clientService: { type: 'NodePort' } }),
    ).toEqual(before);
  });
});

withHelm('network policies (need helm)', () => {
  it.each(examples)('of %s deny by default, in both directions, to every pod', (name) => {
    const manifests = render([`${chart}/ci/${name}`]);
    const { spec } = find(manifests, 'NetworkPolicy', 'q-quaestor-default-deny');
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
    expect([spec.ingress, spec.egress]).toEqual([undefined, undefined]);
    for (const { name: pod, labels } of podsOf(manifests)) {
      expect([pod, selects(spec.podSelector, labels)]).toEqual([pod, true]);
    }
  });

  it('open the peer port to the other institutions’ networks only, and theirs to it', () => {
    const { spec } = find(render(one), 'NetworkPolicy', 'q-quaestor-validators');
    const blocks = (rules: Spec[], side: 'from' | 'to'): unknown[] =>
      rules.flatMap((rule) =>
        (rule[side] as Spec[]).flatMap(({ ipBlock }) =>
          ipBlock === undefined ? [] : [[ipBlock.cidr, rule.ports[0].port]],
        ),
      );
    expect(blocks(spec.ingress as Spec[], 'from')).toEqual(
      ['198.51.100.7/32', '203.0.113.0/28', '2001:db8:7::/64', '192.0.2.41/32'].map((cidr) => [cidr, 'peer']),
    );
    expect(blocks(spec.egress as Spec[], 'to')).toEqual([
      ['198.51.100.7/32', 7050],
      ['203.0.113.0/28', 7150],
      ['2001:db8:7::/64', 7150],
      ['192.0.2.41/32', 7050],
    ]);
  });

  it('leave no rule open to everybody, unless that is asked for', () => {
    const open = (manifests: readonly Manifest[]): string[] =>
      manifests
        .filter(({ kind, metadata }) => kind === 'NetworkPolicy' && !metadata.name.endsWith('-devnet'))
        .filter(({ spec }) =>
          [...(spec.ingress ?? []), ...(spec.egress ?? [])].some(
            ({ from, to }: Spec) => (from ?? to ?? []).length === 0,
          ),
        )
        .map(({ metadata }) => metadata.name);
    for (const name of examples) expect([name, open(render([`${chart}/ci/${name}`]))]).toEqual([name, []]);
    const peers = [{ validator: 'validator-2', address: 'validator-2.example:7050' }];
    expect(open(render(one, { peers, networkPolicy: { allowPeersAnywhere: true } }))).toEqual([
      'q-quaestor-validators',
    ]);
  });
});

withHelm('observers (need helm)', () => {
  it('scale by load, each with a volume of its own, without keys', () => {
    const manifests = render(certManager);
    const deployment = find(manifests, 'Deployment').spec;
    expect(deployment.replicas).toBeUndefined();
    expect(find(manifests, 'HorizontalPodAutoscaler').spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'q-quaestor-observer' },
      minReplicas: 2,
      maxReplicas: 4,
    });
    const volumes = deployment.template.spec.volumes as { name: string; ephemeral?: object }[];
    expect(volumes.map(({ name }) => name).sort()).toEqual([
      'config',
      'data',
      'genesis',
      'tls',
      'trust-peers',
    ]);
    expect(volumes.find(({ name }) => name === 'data')).toHaveProperty('ephemeral');
  });

  it('are in no budget of the validators', () => {
    const manifests = render(development);
    const budget = find(manifests, 'PodDisruptionBudget', 'q-quaestor').spec.selector as Selector;
    const observer = podsOf(manifests).find(({ name }) => name.startsWith('Deployment/'));
    expect(selects(budget, observer?.labels ?? {})).toBe(false);
    expect(find(manifests, 'PodDisruptionBudget', 'q-quaestor-observer').spec.maxUnavailable).toBe(1);
  });
});

withHelm('monitoring (needs helm)', () => {
  it('takes the rules as they are, and names the job so that they find it', () => {
    const manifests = render(certManager, { fullnameOverride: 'ledger' });
    expect(find(manifests, 'PrometheusRule').spec).toEqual(parse(readFileSync(rulesFile, 'utf8')));
    const monitor = find(manifests, 'ServiceMonitor').spec;
    const [endpoint] = monitor.endpoints;
    expect(endpoint).toMatchObject({ port: 'http', path: '/metrics' });
    expect(endpoint.relabelings).toContainEqual({
      action: 'replace',
      targetLabel: 'job',
      replacement: 'quaestor/ledger',
    });
    const services = manifests.filter(
      ({ kind, metadata }) => kind === 'Service' && selects(monitor.selector, metadata.labels ?? {}),
    );
    expect(services.map(({ metadata }) => metadata.name)).toEqual(['ledger-metrics']);
  });
});

withHelm('certificates (need helm)', () => {
  it('name the validator as other nodes look for it', () => {
    const certificates = render(certManager).filter(({ kind }) => kind === 'Certificate');
    expect(certificates.map(({ spec }) => spec.uris)).toEqual([
      ['quaestor://example-consortium/validator/alba-main'],
      ['quaestor://example-consortium/validator/alba-backup'],
      ['quaestor://example-consortium/observer/alba-observer'],
    ]);
    for (const { spec } of certificates) {
      expect(spec.privateKey).toMatchObject({
        algorithm: 'ECDSA',
        size: 256,
        encoding: 'PKCS8',
        rotationPolicy: 'Always',
      });
      expect(spec.usages).toEqual(['digital signature', 'client auth', 'server auth']);
    }
  });
});

withHelm('wrong values (need helm)', () => {
  it.each<readonly [string, readonly string[], object, string]>([
    ['an unknown value', one, { netwrok: 'x' }, "additional properties 'netwrok' not allowed"],
    [
      'an unknown field of the node',
      one,
      { config: { storage: { engin: 'x' } } },
      "at '/config/storage': additional properties 'engin'",
    ],
    [
      'a wrong type',
      one,
      { config: { mempool: { maxTransactions: 'many' } } },
      "at '/config/mempool/maxTransactions': got string",
    ],
    [
      'an address without a port',
      one,
      { peers: [{ validator: 'b', address: 'host' }] },
      "at '/peers/0/address'",
    ],
    ['root', one, { securityContext: { runAsUser: 0 } }, "at '/securityContext/runAsUser'"],
    ['the tag latest', one, { image: { tag: 'latest' } }, 'image.tag'],
    ['no network', one, { network: '' }, 'network: name the network'],
    ['no validators', one, { validators: [] }, 'validators: name at least one'],
    [
      'a validator twice',
      one,
      { validators: [{ id: 'a' }, { id: 'a' }] },
      'validators[1].id: "a" is there a second time',
    ],
    [
      'a peer twice',
      one,
      { peers: [1, 2].map(() => ({ validator: 'b', address: '192.0.2.1:1' })) },
      'peers[1].validator',
    ],
    [
      'itself as a peer',
      one,
      { peers: [{ validator: 'validator-1', address: '192.0.2.1:1' }] },
      'peers[0].validator',
    ],
    ['a peer from anywhere', one, { peers: [{ validator: 'b', address: 'b.example:1' }] }, 'peers[0].cidrs'],
    ['two sources of the genesis', one, { genesis: { content: 'x' } }, 'genesis: expected exactly one'],
    ['no source of the genesis', one, { genesis: { existingConfigMap: '' } }, 'found 0'],
    ['a network that is too small', one, { consortium: { validators: 3 } }, 'consortium.validators: is 3'],
    ['no issuer', certManager, { certManager: { issuerRef: { name: '' } } }, 'certManager.issuerRef.name'],
    [
      'a payment without an amount',
      certManager,
      { tests: { transfer: { amount: '' } } },
      'tests.transfer.amount',
    ],
    [
      'a development network with a genesis',
      development,
      { genesis: { existingSecret: 'x' } },
      'genesis.existingSecret: a devnet makes its own',
    ],
    [
      'more observers at least than at most',
      certManager,
      { observers: { autoscaling: { minReplicas: 8 } } },
      'observers.autoscaling.minReplicas',
    ],
  ])('%s is refused by name', (_what, files, values, message) => {
    const { ok, stderr } = template(files, values);
    expect([ok, stderr]).toEqual([false, expect.stringContaining(message)]);
  });
});

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

function selects({ matchLabels }: Selector, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
}

interface Container {
  readonly image: string;
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly securityContext: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly runAsNonRoot?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
}

interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

function containersOf({ containers, initContainers = [] }: PodSpec): readonly Container[] {
  return [...initContainers, ...containers];
}

/** What the restricted standard forbids (Kubernetes, Pod Security Standards), and a writable root. */
function restrictedProblems(pod: PodSpec): readonly string[] {
  const problems: string[] = [];
  const unless = (holds: boolean, what: string): unknown => (holds ? undefined : problems.push(what));
  unless(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, 'a namespace of the host');
  unless(
    pod.securityContext.runAsNonRoot === true && (pod.securityContext.runAsUser ?? 0) > 0,
    'runs as root',
  );
  unless(pod.securityContext.seccompProfile?.type === 'RuntimeDefault', 'no seccomp profile');
  const volumes = [
    'configMap',
    'emptyDir',
    'ephemeral',
    'persistentVolumeClaim',
    'projected',
    'secret',
    'csi',
    'downwardAPI',
  ];
  for (const volume of pod.volumes ?? []) {
    const [kind = ''] = Object.keys(volume).filter((key) => key !== 'name');
    unless(volumes.includes(kind), `a volume of the kind ${kind}`);
  }
  for (const { securityContext } of containersOf(pod)) {
    unless(securityContext.allowPrivilegeEscalation === false, 'may gain privileges');
    unless(securityContext.readOnlyRootFilesystem === true, 'a writable root');
    unless(securityContext.privileged !== true, 'privileged');
    unless(JSON.stringify(securityContext.capabilities) === '{"drop":["ALL"]}', 'has capabilities');
  }
  return problems;
}

/** Configurations in the ConfigMaps, read as a node reads them. */
async function nodeConfigs(manifests: readonly Manifest[]): Promise<readonly [string, NodeConfig][]> {
  const folder = mkdtempSync(join(tmpdir(), 'quaestor-chart-'));
  try {
    const files = manifests
      .filter(({ kind }) => kind === 'ConfigMap')
      .flatMap(({ data = {} }) => Object.entries(data))
      .filter(([, text]) => text.startsWith('role: '));
    const configs: [string, NodeConfig][] = [];
    for (const [name, text] of files) {
      writeFileSync(join(folder, name), text);
      const loaded = await loadNodeConfig(join(folder, name), {}, { checkFiles: false });
      if (!loaded.ok) throw loaded.error;
      configs.push([name, loaded.value]);
    }
    return configs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
