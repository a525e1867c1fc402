/**
 * The pods of the chart as a kubelet would run them: the chart is rendered, its ConfigMaps and Secrets become volumes with
 * the owners, modes and links that Kubernetes gives them, each pod has its own address and finds the others by their
 * names, the probes are asked, and the pod of `helm test` pays.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually } from '../../helpers/eventually.js';
import { find, helm, render, type Manifest } from '../helm.js';
import type { Image } from './build.js';
import { Container, type PodParts } from './container.js';

const user = 65532;
const bridge = 'quaestor0';
const release = 'q-quaestor';
const validators = 4;

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly projected?: {
    readonly sources: readonly {
      readonly secret: {
        readonly name: string;
        readonly items: readonly { readonly key: string; readonly path: string }[];
      };
    }[];
  };
}

interface ContainerSpec {
  readonly args: readonly string[];
  readonly command?: readonly string[];
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPath?: string;
    readonly subPathExpr?: string;
  }[];
}

interface PodSpec {
  readonly initContainers?: readonly ContainerSpec[];
  readonly containers: readonly ContainerSpec[];
  readonly volumes: readonly Volume[];
}

/** Installs the development example, so to say, and runs `helm test`. */
export async function runPods(image: Image, work: string): Promise<void> {
  if (helm === undefined) {
    process.stdout.write('SKIPPED: the pods of the chart, since helm is not here.\n');
    return;
  }
  const place = join(work, 'pods');
  const values = { observers: { enabled: false } };
  const manifests = render(['deploy/helm/quaestor/ci/development.yaml'], values);
  const secrets = await makeNetwork(image, join(place, 'init'), find(manifests, 'Job'));
  const files = (name: string): Readonly<Record<string, string>> =>
    secrets.get(name) ?? find(manifests, 'ConfigMap', name).data ?? {};
  const pods = Array.from({ length: validators }, (_, index) => `${release}-${index}`);
  const address = (index: number): string => `10.77.0.${10 + index}`;
  const hosts = pods
    .map((pod, index) => `${address(index)} ${pod}.${release}-peers.bank.svc.cluster.local\n`)
    .join('');
  execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
  execFileSync('ip', ['address', 'add', '10.77.0.1/24', 'dev', bridge]);
  execFileSync('ip', ['link', 'set', bridge, 'up']);
  const running: Container[] = [];
  const start = async (
    spec: ContainerSpec,
    parts: PodParts,
    data: string,
    pod: string,
    number: number,
  ): Promise<Container> => {
    const args = spec.args.map((word) => word.replace('$(POD_NAME)', pod));
    const container = new Container(image, data, args, { ...parts, hosts, address: address(number) });
    running.push(container);
    await connect(container, number);
    return container;
  };
  try {
    const template = podOf(find(manifests, 'StatefulSet'));
    const [node] = template.containers;
    if (node === undefined) throw new Error('The pod has no container.');
    for (const [index, pod] of pods.entries()) {
      const folder = join(place, pod);
      const mounts = mountsOf(template, node, pod, folder, files);
      await start(node, { mounts }, ownFolder(join(folder, 'data')), pod, index);
    }
    for (const [index, container] of running.entries()) {
      await eventually(
        'the pod is ready, or ends',
        async () => container.over || (await probe(address(index), '/readyz')) === 200,
      );
      if (container.over) throw new Error(`A pod ended:\n${container.output}`);
      if ((await probe(address(index), '/healthz')) !== 200) throw new Error('A ready pod does not live.');
    }
    process.stdout.write(`${pods.length} pods of the chart are ready, by their probes.\n`);
    const test = find(manifests, 'Pod').spec as PodSpec;
    const workFolder = ownFolder(join(place, 'test/work'));
    for (const [index, spec] of [...(test.initContainers ?? []), ...test.containers].entries()) {
      const mounts = mountsOf(test, spec, 'test', join(place, `test/${index}`), files, workFolder);
      const parts = { mounts, ...(spec.command === undefined ? {} : { command: spec.command }) };
      const container = await start(
        spec,
        parts,
        ownFolder(join(place, `test/data-${index}`)),
        'test',
        100 + index,
      );
      const { exitCode, output } = await container.ended;
      process.stdout.write(output);
      if (exitCode !== 0) throw new Error(`The pod of helm test ended with ${exitCode ?? 'a signal'}.`);
    }
  } finally {
    for (const container of running) container.kill();
    await Promise.all(running.map(({ ended }) => ended));
    execFileSync('ip', ['link', 'delete', bridge]);
  }
}

/** The pod that a set or job makes. */
function podOf({ spec }: Manifest): PodSpec {
  return (spec as { readonly template: { readonly spec: PodSpec } }).template.spec;
}

/** Runs the job's first container, and sorts its files into Secrets as its second one does. */
async function makeNetwork(
  image: Image,
  volume: string,
  job: Manifest,
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const init = podOf(job).initContainers?.[0];
  const mounts = new Map([['/work', ownFolder(volume)]]);
  const { exitCode, output } = await new Container(image, ownFolder(`${volume}-data`), init?.args ?? [], {
    mounts,
  }).ended;
  if (exitCode !== 0) throw new Error(`The job ended with ${exitCode ?? 'a signal'}:\n${output}`);
  const read = (path: string): string => readFileSync(join(volume, 'network', path), 'utf8');
  const tls = (path: string, name: string): Record<string, string> => ({
    'tls.crt': read(`${path}/tls/${name}.pem`),
    'tls.key': read(`${path}/tls/${name}-key.pem`),
    'ca.crt': read(`${path}/tls/ca.pem`),
  });
  const secrets = new Map<string, Readonly<Record<string, string>>>([
    [`${release}-genesis`, { 'genesis.yaml': read('genesis.yaml') }],
    [
      `${release}-member-bank-alba`,
      {
        ...tls('clients/bank-alba', 'client'),
        'member.key': read('clients/bank-alba/keys/member.key'),
        'member.password': read('clients/bank-alba/keys/member.password'),
      },
    ],
  ]);
  for (let number = 1; number <= validators; number++) {
    const path = `validators/validator-${number}`;
    secrets.set(`${release}-validator-${number}-tls`, tls(path, 'validator'));
    secrets.set(`${release}-validator-${number}-key`, {
      'validator.key': read(`${path}/key/validator.key`),
      'validator.password': read(`${path}/key/validator.password`),
    });
  }
  return secrets;
}

/** Folders for a container's mounts, as a kubelet lays them. `shared` stands for an emptyDir of the pod. */
function mountsOf(
  pod: PodSpec,
  { volumeMounts }: ContainerSpec,
  name: string,
  folder: string,
  files: (source: string) => Readonly<Record<string, string>>,
  shared?: string,
): ReadonlyMap<string, string> {
  const mounts = new Map<string, string>();
  for (const { name: volumeName, mountPath, subPath, subPathExpr } of volumeMounts) {
    // The image's own folder for data is a container's volume here.
    if (mountPath === '/var/lib/quaestor') continue;
    const volume = pod.volumes.find((candidate) => candidate.name === volumeName);
    const contents = volume === undefined ? undefined : contentsOf(volume, files);
    const place =
      contents === undefined
        ? shared
        : layVolume(join(folder, volumeName), contents, volume?.configMap === undefined);
    if (place === undefined) throw new Error(`There is no volume ${volumeName}.`);
    const part = subPath ?? subPathExpr?.replace('$(POD_NAME)', name);
    if (part !== undefined && mountPath.endsWith('.yaml'))
      writeFileSync(join(shared ?? place, part), readFileSync(join(place, part)));
    else mounts.set(mountPath, part === undefined ? place : join(place, part));
  }
  return mounts;
}

function contentsOf(
  volume: Volume,
  files: (source: string) => Readonly<Record<string, string>>,
): Record<string, string> | undefined {
  if (volume.configMap !== undefined) return { ...files(volume.configMap.name) };
  if (volume.secret !== undefined) return { ...files(volume.secret.secretName) };
  const sources = volume.projected?.sources;
  if (sources === undefined) return undefined;
  return Object.fromEntries(
    sources.flatMap(({ secret }) =>
      secret.items.map(({ key, path }) => [path, files(secret.name)[key] ?? ''] as const),
    ),
  );
}

/**
 * Lays a volume as Kubernetes does: the files in a folder with the time in its name, a link to that, links to its
 * entries; all of it root's, readable by the group of the pod. Secrets are for nobody else.
 */
function layVolume(folder: string, contents: Readonly<Record<string, string>>, secret: boolean): string {
  const version = '..2026_11_25_04_00_00.1';
  for (const [path, text] of Object.entries(contents)) {
    const file = join(folder, version, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chownSync(file, 0, user);
    chmodSync(file, secret ? 0o440 : 0o644);
  }
  symlinkSync(version, join(folder, '..data'));
  for (const top of new Set(Object.keys(contents).map((path) => path.split('/')[0] ?? ''))) {
    symlinkSync(join('..data', top), join(folder, top));
  }
  return folder;
}

function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  chownSync(path, 0, user);
  chmodSync(path, 0o2775);
  return path;
}

/** Puts one end of a cable into a container's network and the other into the bridge. */
async function connect(container: Container, number: number): Promise<void> {
  const cable = `pod${number}`;
  await eventually('the container has a network of its own', () => container.namespacePid !== undefined);
  const pid = String(container.namespacePid ?? 0);
  execFileSync('ip', ['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid]);
  execFileSync('ip', ['link', 'set', cable, 'master', bridge, 'up']);
}

async function probe(host: string, path: string): Promise<number> {
  try {
    return (await fetch(`http://${host}:7080${path}`, { signal: AbortSignal.timeout(3_000) })).status;
  } catch {
    return 0;
  }
}
