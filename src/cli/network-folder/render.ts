/** Texts of the configuration files that `quaestor init` writes. */
import type { ValidatorPorts } from './ports.js';

export interface ValidatorPlace {
  readonly id: string;
  readonly ports: ValidatorPorts;
}

/** Configuration of one validator, or of an observer of the validators `all`. Paths are relative to its folder, so that
 * the folder can be moved as a whole. */
export function renderNodeConfig(
  role: 'validator' | 'observer',
  self: ValidatorPlace,
  all: readonly ValidatorPlace[],
  host: string,
): string {
  const address = (port: number): string => JSON.stringify(hostAndPort(host, port));
  const { peer, client, admin, http } = self.ports;
  const key =
    role === 'observer'
      ? ''
      : `key:
  file: key/validator.key
  passwordFile: key/validator.password

`;
  return `# Configuration of one ${role}, made by "quaestor init". All other fields have defaults: configs/validator.yaml of
# the software explains every one. Relative paths start at the folder of this file.
role: ${role}
validator: ${self.id}
dataDir: data

network:
  genesis: genesis.yaml

peers:
${all.map(({ id, ports }) => `  - { validator: ${id}, address: ${address(ports.peer)} }`).join('\n')}

listen:
  peer: ${address(peer)}
  client: ${address(client)}
  admin: ${JSON.stringify(hostAndPort('127.0.0.1', admin))}
  http: ${JSON.stringify(hostAndPort('127.0.0.1', http))}

tls:
  peer: { ca: tls/ca.pem, cert: tls/${role}.pem, key: tls/${role}-key.pem }
  client: { ca: tls/ca.pem, cert: tls/${role}.pem, key: tls/${role}-key.pem }

${key}log:
  level: info
  format: pretty
`;
}

/** Profile of a member or of an operator (no member). */
export function renderProfile(
  member: string | undefined,
  validators: readonly ValidatorPlace[],
  host: string,
): string {
  const who =
    member === undefined ? 'an operator: reads, and sees the admin services' : `the member ${member}`;
  return `# Profile of ${who}. Used by "quaestor --profile" with this folder, or QUAESTOR_PROFILE.
${member === undefined ? '' : `member: ${member}\n`}
# Everything that validators say is checked against this genesis: it must come from a source that is trusted.
genesis: genesis.yaml

validators:
${validators
  .map(({ id, ports }) => `  - { id: ${id}, address: ${JSON.stringify(hostAndPort(host, ports.client))} }`)
  .join('\n')}

tls: { ca: tls/ca.pem, cert: tls/client.pem, key: tls/client-key.pem }
${
  member === undefined
    ? ''
    : `
# Keys that sign the transactions of the member.
keys:
  - { file: keys/member.key, passwordFile: keys/member.password }
`
}`;
}

function hostAndPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
