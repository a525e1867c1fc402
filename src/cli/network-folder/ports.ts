/** Which ports the validators of a network on one machine use. */
import { createServer } from 'node:net';
import { CommandError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';

/** Ports of one validator. */
export interface ValidatorPorts {
  readonly peer: number;
  readonly client: number;
  readonly admin: number;
  readonly http: number;
}

/** Below the ports that systems give to outgoing connections (from 32768), so that none is taken while a validator is
 * down. */
const firstBase = 7100;
const lastBase = 31_000;
const portsPerValidator = 10;

/** Ports of the validator of an index: ten apart, so that they can be told by looking at them. */
export function portsOf(base: number, index: number): ValidatorPorts {
  const first = base + portsPerValidator * (index + 1);
  return { peer: first, client: first + 1, admin: first + 2, http: first + 3 };
}

/** Largest base port for a number of validators. */
export function maxBasePort(validators: number): number {
  return 65_535 - portsPerValidator * (validators + 1);
}

/** Ports of all validators from a base, or from the first base whose ports are all free. */
export async function choosePorts(
  validators: number,
  host: string,
  base: number | undefined,
): Promise<readonly ValidatorPorts[]> {
  const from = (start: number): ValidatorPorts[] =>
    Array.from({ length: validators }, (_, index) => portsOf(start, index));
  if (base !== undefined) return from(base);
  const step = 100 * Math.ceil((validators + 1) / 10);
  for (let candidate = firstBase; candidate <= lastBase; candidate += step) {
    const ports = from(candidate);
    if (await allFree(ports, host)) return ports;
  }
  throw new CommandError(
    'NO_FREE_PORTS',
    `There is no range of free ports for ${validators} validators from ${firstBase} to ${lastBase}. Choose one with --base-port.`,
    exitCodes.failed,
  );
}

async function allFree(ports: readonly ValidatorPorts[], host: string): Promise<boolean> {
  for (const { peer, client, admin, http } of ports) {
    const free = await Promise.all([peer, client, admin, http].map((port) => isPortFree(host, port)));
    if (free.includes(false)) return false;
  }
  return true;
}

/** Whether a port can be listened on now. */
export function isPortFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
