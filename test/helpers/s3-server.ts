/** A real server that speaks S3 (moto), as .ci/install-moto.mjs installs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

const program = join(process.cwd(), 'node_modules', '.quaestor-moto', 'bin', 'moto_server');

/** Whether the server is installed. */
export const hasS3Server = existsSync(program);

/** A server on a port of the loopback, with a bucket "bank". It forgets everything when it is stopped. */
export class S3Server {
  readonly port: number;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<S3Server> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    await new Promise((done) => probe.close(done));
    const server = new S3Server(port);
    await server.up();
    return server;
  }

  get location(): string {
    return `s3://bank/node/one?endpoint=http://127.0.0.1:${this.port}&region=eu-central-1&pathStyle=true`;
  }

  /** Starts the process, waits until it answers, and makes the bucket. */
  async up(): Promise<void> {
    this.#process = spawn(program, ['-H', '127.0.0.1', '-p', String(this.port)], { stdio: 'ignore' });
    const until = Date.now() + 60_000;
    for (;;) {
      const answer = await this.request('PUT', 'bank').catch(() => undefined);
      if (answer?.ok === true) return;
      if (Date.now() > until) throw new Error('The S3 server does not answer.');
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** A request without a signature, which this server takes as well. */
  request(method: string, path: string, body?: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}/${path}`, {
      method,
      headers: { host: `127.0.0.1:${this.port}` },
      ...(body === undefined ? {} : { body }),
    });
  }

  async down(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
