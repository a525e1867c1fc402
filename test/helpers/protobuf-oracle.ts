/**
 * protobufjs on the .proto files as an independent opinion on canonical bytes. It knows nothing of src/codec: values
 * of the model are turned into its plain objects by the rules of docs/encoding.md.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type protobufjs from 'protobufjs';

const protobuf = createRequire(import.meta.url)('protobufjs') as typeof protobufjs;
const protoDir = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'proto');

/** All messages of the ledger and the peer protocol. */
export const protoRoot = new protobuf.Root();
protoRoot.resolvePath = (_origin, target) => join(protoDir, target);
protoRoot.loadSync(
  ['transaction', 'block', 'state', 'segment', 'backup'].map((name) => `quaestor/ledger/v1/${name}.proto`),
);
protoRoot.loadSync('quaestor/peer/v1/consensus.proto');
protoRoot.loadSync('quaestor/signer/v1/signer_service.proto');

const phases: Readonly<Record<string, number>> = { prePrepare: 1, prepare: 2, commit: 3 };
const roleNumbers: Readonly<Record<string, number>> = { registrar: 1, assetAdmin: 2 };

const isDefault = (value: unknown): boolean =>
  value === 0 ||
  value === '' ||
  (value instanceof Uint8Array && value.length === 0) ||
  (Array.isArray(value) && value.length === 0);

/** Name of an enum's value in the .proto file: "open" of ProposalStatus is PROPOSAL_STATUS_OPEN. */
const enumName = (type: string, value: string): string =>
  `${type.slice(type.lastIndexOf('.') + 1)}${value.charAt(0).toUpperCase()}${value.slice(1)}`
    .replace(/(?!^)[A-Z]/g, '_$&')
    .toUpperCase();

/** The model's value as protobufjs writes it; fields of the default value are left out. */
export function toPlain(typeName: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  const { kind, ...fields } = value as Record<string, unknown>;
  if (typeof kind === 'string' && /\.(Operation|ConsensusMessage|Change)$/.test(typeName)) {
    const type = protoRoot.lookupType(typeName).fields[kind]?.resolve().resolvedType;
    return { [kind]: toPlain(type?.fullName.slice(1) ?? '', fields) };
  }
  const type = protoRoot.lookupType(typeName);
  const plain: Record<string, unknown> = {};
  for (const [name, content] of Object.entries(fields)) {
    const wireName = name === 'timeMs' ? 'timeUnixMs' : name;
    const field = type.fields[wireName]?.resolve();
    if (field === undefined) throw new Error(`${typeName} has no field ${wireName}`);
    if (content === undefined || (isDefault(content) && !(field.options?.['proto3_optional'] === true)))
      continue;
    const nested = field.resolvedType?.fullName.slice(1) ?? '';
    if (nested.endsWith('.VotePhase')) plain[wireName] = phases[content as string];
    else if (nested.endsWith('.ResultCode'))
      plain[wireName] = protoRoot.lookupEnum(nested).values[`RESULT_CODE_${content as string}`];
    else if (nested === 'quaestor.ledger.v1.Vote' || nested.endsWith('.ProposalStatus'))
      plain[wireName] = protoRoot.lookupEnum(nested).values[enumName(nested, content as string)];
    else if (nested.endsWith('.Role'))
      plain[wireName] = (content as string[]).map((role) => roleNumbers[role]);
    else if (Array.isArray(content)) plain[wireName] = content.map((item) => toPlain(nested, item));
    else plain[wireName] = toPlain(nested, content);
  }
  return plain;
}

/** Bytes that protobufjs gives a value of the model. */
export function oracleEncode(typeName: string, value: unknown): Uint8Array {
  const type = protoRoot.lookupType(typeName);
  const plain = toPlain(typeName, value) as Record<string, unknown>;
  return new Uint8Array(type.encode(type.fromObject(plain)).finish());
}
