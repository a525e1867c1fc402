/** Validators that join a network, by the commands of docs/reconfiguration.md. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../helpers/eventually.js';
import { quaestor } from './command-line.js';
import type { TestNetwork } from './network.js';
import type { ValidatorPlace, ValidatorPorts, ValidatorProcess } from './validator-process.js';

/** Members that run the validators, in order of index: those of configs/devnet.yaml, and the others for who joins. */
const hosts = [
  'bank-alba',
  'bank-borealis',
  'custodian-cadence',
  'clearing-delta',
  'bank-esperia',
  'bank-fuyu',
] as const;

/** The member that runs a validator. */
export const memberOf = (index: number): string => hosts[index % hosts.length]!;

/** Makes the folder of a validator that the genesis does not have; it is told where so many founders are. Its ports are
 * those of the place `offset` in the network's range. */
export async function prepareJoining(
  networkDir: string,
  network: string,
  founders: number,
  index: number,
  offset: number,
  ports: ValidatorPorts,
): Promise<ValidatorPlace> {
  const id = `validator-${index + 1}`;
  const dir = join(networkDir, 'validators', id);
  for (const name of ['key', 'tls']) await mkdir(join(dir, name), { recursive: true, mode: 0o700 });
  const authority = join(networkDir, 'authority');
  const whose = ['--network', network, '--role', 'validator', '--id', id];
  const request = join(dir, 'tls', 'validator.csr.pem');
  const certificate = join(dir, 'tls', 'validator.pem');
  await Promise.all([
    quaestor('keys', 'generate', '--out', join(dir, 'key', 'validator.key')),
    quaestor('keys', 'request', ...whose, '--out', join(dir, 'tls', 'validator')).then(() =>
      quaestor(
        ...['keys', 'certify', '--authority', authority, '--request', request, ...whose],
        ...['--host', '127.0.0.1', '--out', certificate],
      ),
    ),
  ]);
  await copyFile(join(authority, 'ca.pem'), join(dir, 'tls', 'ca.pem'));
  await copyFile(join(networkDir, 'genesis.yaml'), join(dir, 'genesis.yaml'));
  const peers = Array.from({ length: founders }, (_, founder) => {
    const port = ports.peer - 10 * (offset - founder);
    return `  - { validator: validator-${founder + 1}, address: "127.0.0.1:${port}" }`;
  });
  const config = join(dir, 'validator.yaml');
  await writeFile(
    config,
    `validator: ${id}
joins: true
dataDir: data
network: { genesis: genesis.yaml }
peers:
${peers.join('\n')}
listen:
  peer: 127.0.0.1:${ports.peer}
  client: 127.0.0.1:${ports.client}
  admin: 127.0.0.1:${ports.admin}
  http: 127.0.0.1:${ports.http}
tls:
  peer: { ca: tls/ca.pem, cert: tls/validator.pem, key: tls/validator-key.pem }
  client: { ca: tls/ca.pem, cert: tls/validator.pem, key: tls/validator-key.pem }
key: { file: key/validator.key, passwordFile: key/validator.password }
log: { format: pretty }
`,
  );
  return { id, index, config, ports };
}

/** Public key in a key file, in hexadecimal. */
export async function publicKeyIn(file: string): Promise<string> {
  const shown = JSON.parse(await quaestor('keys', 'show', file, '--json')) as { publicKey: string };
  return shown.publicKey;
}

/** What adds a validator, as an option of the command line. */
export async function addition({ id, index, dir, ports }: ValidatorProcess): Promise<string> {
  const key = await publicKeyIn(join(dir, 'key', 'validator.key'));
  return `${id},${memberOf(index)},${key},127.0.0.1:${ports.peer}`;
}

/** Changes of the validator set of a network, as operators make them. */
export class Governance {
  readonly #network: TestNetwork;
  /** Names of the key files in force, where they are others than at first. */
  readonly keys = new Map<string, string>();

  constructor(network: TestNetwork) {
    this.#network = network;
  }

  /**
   * Proposes a change by the first of the voters, has the others approve it, and waits until those of `next` decide.
   * `options` are those of `quaestor validators propose`.
   */
  async decide(
    voters: readonly number[],
    options: readonly string[],
    next: readonly number[],
  ): Promise<void> {
    const [proposer, ...others] = voters as [number, ...number[]];
    const { id } = this.#network.validators[proposer]!;
    const proposed = await this.speak(proposer, 'propose', ...options);
    const { hash } = JSON.parse(proposed) as { hash: string };
    await Promise.all(others.map((voter) => this.speak(voter, 'approve', '--proposer', id, '--hash', hash)));
    await this.inForce(next);
  }

  /** Runs a command of `quaestor validators` for a validator; gives the document. */
  speak(index: number, command: string, ...options: readonly string[]): Promise<string> {
    const { id, dir } = this.#network.validators[index]!;
    const key = join(dir, 'key', this.keys.get(id) ?? 'validator');
    return quaestor(
      ...['validators', command, '--profile', this.#network.profile(memberOf(index))],
      ...['--validator', id, '--key', `${key}.key`, '--password-file', `${key}.password`],
      ...options,
      '--json',
    );
  }

  /** Resolves when these validate, and none of the others that run. */
  async inForce(members: readonly number[]): Promise<void> {
    const { validators } = this.#network;
    await eventually(`validators ${members.map((index) => index + 1).join(', ')} decide`, async () => {
      const running = validators.filter((validator) => validator.running);
      const votes = await Promise.all(
        running.map(async (validator) => ({
          expected: members.includes(validator.index) ? 1 : 0,
          votes: await validator.metric('quaestor_consensus_is_validator'),
          count: await validator.metric('quaestor_consensus_validators'),
        })),
      );
      return votes.every((vote) => vote.votes === vote.expected && vote.count === members.length);
    });
  }
}
