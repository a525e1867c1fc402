/** TCP connections between validators that can be cut and slowed down: a proxy for each direction of dialling of each pair,
 * TLS passes through it. */
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import type { TestNetwork } from '../network.js';

/** The connection from one validator, which dials, to another. */
class Wire {
  readonly from: number;
  readonly to: number;
  readonly #targetPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;
  #delayMs = 0;

  constructor(from: number, to: number, targetPort: number) {
    this.from = from;
    this.to = to;
    this.#targetPort = targetPort;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  set cut(cut: boolean) {
    this.#cut = cut;
    if (cut) for (const socket of this.#sockets) socket.destroy();
  }

  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
  }

  close(): void {
    this.cut = true;
    this.#server.close();
  }

  #accept(inbound: Socket): void {
    if (this.#cut) {
      inbound.destroy();
      return;
    }
    const outbound = connect(this.#targetPort, '127.0.0.1');
    for (const socket of [inbound, outbound]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        inbound.destroy();
        outbound.destroy();
      });
    }
    this.#pass(inbound, outbound);
    this.#pass(outbound, inbound);
  }

  /** Hands bytes on in order, each piece after the delay that held when it came. */
  #pass(source: Socket, target: Socket): void {
    let last = Promise.resolve();
    source.on('data', (chunk: Buffer) => {
      const dueMs = performance.now() + this.#delayMs;
      source.pause();
      last = last.then(async () => {
        const waitMs = dueMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        if (target.writable && !target.write(chunk)) {
          await new Promise<void>((resolve) => {
            target.once('drain', resolve);
            target.once('close', resolve);
          });
        }
      });
      // What is under way is bounded by one delay's worth of bytes, not by the slower side's reading.
      if (this.#delayMs > 0) source.resume();
      else void last.then(() => source.resume());
    });
    source.on('end', () => void last.then(() => target.end()));
  }
}

/** All connections of a network. */
export class Wires {
  readonly #wires: readonly Wire[];

  private constructor(wires: readonly Wire[]) {
    this.#wires = wires;
  }

  /** Puts proxies between the validators of a network that does not run yet, by changing their configurations. */
  static async between(network: TestNetwork): Promise<Wires> {
    const wires: Wire[] = [];
    for (const { index: from, config } of network.validators) {
      const document = parseDocument(await readFile(config, 'utf8'));
      const peers = document.get('peers') as YAMLSeq<YAMLMap>;
      for (const item of peers.items) {
        const { index: to, ports } = network.validator(String(item.get('validator')));
        // The one of the lower index dials for messages, both of them to fetch blocks and states.
        if (to === from) continue;
        const wire = new Wire(from, to, ports.peer);
        wires.push(wire);
        item.set('address', `127.0.0.1:${await wire.listen()}`);
      }
      await writeFile(config, document.toString());
    }
    return new Wires(wires);
  }

  /** Cuts these validators off from everybody, each other included; or connects them again. */
  cut(validators: readonly number[], cut: boolean): void {
    for (const wire of this.#of(validators)) wire.cut = cut;
  }

  /** Delays whatever these validators send and get. */
  delay(validators: readonly number[], delayMs: number): void {
    for (const wire of this.#of(validators)) wire.delayMs = delayMs;
  }

  close(): void {
    for (const wire of this.#wires) wire.close();
  }

  #of(validators: readonly number[]): readonly Wire[] {
    return this.#wires.filter(({ from, to }) => validators.includes(from) || validators.includes(to));
  }
}
