/**
 * A real API server of Kubernetes with its database and controllers, on loopback, for one test file. There are no nodes:
 * pods are made and stay pending until a test says that they run, as a kubelet would.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { runHelm, type HelmResult, type Manifest } from './helm.js';

export interface Answer {
  readonly status: number;
  readonly body: Manifest & {
    readonly message?: string;
    readonly items?: readonly Manifest[];
    readonly status?: unknown;
  };
}

export class Cluster {
  readonly folder: string;
  /** Certificate of the API server. */
  readonly caFile: string;
  readonly #processes: ChildProcess[] = [];
  readonly #token = randomBytes(16).toString('hex');
  #port = 0;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'quaestor-cluster-'));
    this.caFile = join(this.folder, 'certificates/apiserver.crt');
  }

  get port(): number {
    return this.#port;
  }

  /** Starts one from a folder with the programs. Rejects, with the end of their logs, if it does not come up. */
  static async start(programs: string): Promise<Cluster> {
    const cluster = new Cluster();
    try {
      await cluster.#start(programs);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async #start(programs: string): Promise<void> {
    const [etcd, peers, port] = await freePorts(3);
    this.#port = port ?? 0;
    const file = (name: string): string => join(this.folder, name);
    const database = `http://127.0.0.1:${etcd ?? 0}`;
    this.#run(programs, 'etcd', [
      ...['--data-dir', file('etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', database, '--advertise-client-urls', database],
      ...['--listen-peer-urls', `http://127.0.0.1:${peers ?? 0}`],
    ]);
    const keys = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    writeFileSync(file('accounts.pub'), keys.publicKey);
    writeFileSync(file('accounts.key'), keys.privateKey, { mode: 0o600 });
    writeFileSync(file('tokens.csv'), `${this.#token},admin,admin,system:masters\n`, { mode: 0o600 });
    mkdirSync(file('certificates'));
    this.#run(programs, 'kube-apiserver', [
      ...['--etcd-servers', database, '--cert-dir', file('certificates')],
      ...['--bind-address', '127.0.0.1', '--secure-port', String(this.#port)],
      ...['--service-cluster-ip-range', '10.96.0.0/16', '--authorization-mode', 'RBAC'],
      ...[
        '--service-account-issuer',
        'https://kubernetes.default.svc',
        '--token-auth-file',
        file('tokens.csv'),
      ],
      ...[
        '--service-account-key-file',
        file('accounts.pub'),
        '--service-account-signing-key-file',
        file('accounts.key'),
      ],
    ]);
    await eventually(
      'the API server is ready',
      async () => (await this.call('GET', '/readyz')).status === 200,
      120_000,
    );
    writeFileSync(file('kubeconfig'), this.#kubeconfig(), { mode: 0o600 });
    const controllers =
      'statefulset deployment replicaset disruption job serviceaccount root-ca-certificate-publisher garbage-collector';
    this.#run(programs, 'kube-controller-manager', [
      ...['--kubeconfig', file('kubeconfig'), '--leader-elect=false', '--secure-port', '0'],
      ...['--service-account-private-key-file', file('accounts.key'), '--root-ca-file', this.caFile],
      ...[
        '--controllers',
        controllers
          .split(' ')
          .map((name) => `${name}-controller`)
          .join(','),
      ],
    ]);
  }

  #kubeconfig(): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [
        {
          name: 'test',
          cluster: { server: `https://127.0.0.1:${this.#port}`, 'certificate-authority': this.caFile },
        },
      ],
      users: [{ name: 'test', user: { token: this.#token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    });
  }

  #run(programs: string, name: string, args: readonly string[]): void {
    const child = spawn(join(programs, name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.folder, `${name}.log`));
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#processes.push(child);
  }

  /** Calls the API; the answer's body is undefined of shape when it is no object of Kubernetes. */
  call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ca = existsSync(this.caFile) ? readFileSync(this.caFile) : undefined;
      const headers = { authorization: `Bearer ${this.#token}`, 'content-type': type };
      const options = {
        host: '127.0.0.1',
        port: this.#port,
        path,
        method,
        headers,
        ...(ca === undefined ? {} : { ca }),
      };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => {
          const parsed = text.startsWith('{')
            ? (JSON.parse(text) as Answer['body'])
            : ({ message: text } as Answer['body']);
          resolve({ status: response.statusCode ?? 0, body: parsed });
        });
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Makes a namespace that takes only pods fit for the restricted Pod Security Standard. */
  async restrictedNamespace(name: string): Promise<void> {
    const labels = {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'latest',
    };
    await this.call('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels },
    });
  }

  helm(namespace: string, args: readonly string[], values?: object): HelmResult {
    const given = values === undefined ? [] : ['--values', '-'];
    const config = ['--kubeconfig', join(this.folder, 'kubeconfig'), '--namespace', namespace];
    return runHelm([...args, ...config, ...given], JSON.stringify(values ?? {}));
  }

  async list(path: string): Promise<readonly Manifest[]> {
    return (await this.call('GET', path)).body.items ?? [];
  }

  /** Says of a pod what a kubelet would. */
  async setPodStatus(namespace: string, pod: string, status: object): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/status`;
    const answer = await this.call('PATCH', path, { status }, 'application/merge-patch+json');
    if (answer.status !== 200) throw new Error(`The status of ${pod}: ${answer.body.message ?? ''}`);
  }

  async stop(): Promise<void> {
    for (const child of this.#processes.reverse()) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === 'object' && address !== null ? address.port : 0;
    }),
  );
}
