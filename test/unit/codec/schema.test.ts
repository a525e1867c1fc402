import { describe, expect, it } from '@jest/globals';
import type { Namespace } from 'protobufjs';
import '../../../src/codec/index.js';
import { proposalStatuses, resultCodes, roles, votePhases, votes } from '../../../src/codec/enums.js';
import { schemas } from '../../../src/codec/schema.js';
import { protoRoot } from '../../helpers/protobuf-oracle.js';

const namespaces = ['quaestor.ledger.v1', 'quaestor.peer.v1', 'quaestor.signer.v1'];

describe('tables of fields', () => {
  it('exist for every message of the canonical .proto files, and no other', () => {
    const inProto = namespaces.flatMap((namespace) =>
      (protoRoot.lookup(namespace) as Namespace).nestedArray
        .filter((item) => 'fieldsArray' in item)
        .map((item) => item.fullName.slice(1)),
    );
    expect([...schemas.keys()].sort()).toEqual(inProto.sort());
  });

  it.each([...schemas.keys()])('%s agrees with its .proto file', (name) => {
    const ours = Object.entries(schemas.get(name)!).map(([key, field]) => ({ key, ...field }));
    const theirs = protoRoot.lookupType(name).fieldsArray.map((field) => field.resolve());
    expect(ours.map((field) => field.key)).toEqual(theirs.map((field) => field.name));
    expect(ours.map((field) => field.number)).toEqual(theirs.map((field) => field.id));
    expect(ours.map((field) => field.name)).toEqual(
      theirs.map((field) => field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
    );
    expect(ours.map((field) => field.type)).toEqual(
      theirs.map((field) => field.resolvedType?.fullName.slice(1) ?? field.type),
    );
    expect(ours.map((field) => field.label)).toEqual(
      theirs.map((field) => {
        if (field.repeated) return 'values' in (field.resolvedType ?? {}) ? 'packed' : 'repeated';
        if (field.options?.['proto3_optional'] === true) return 'optional';
        return field.partOf === null ? 'singular' : 'oneof';
      }),
    );
  });

  it('are in ascending order of number, all below 2048, so that a tag is one byte or two', () => {
    for (const table of schemas.values()) {
      const numbers = Object.values(table).map((field) => field.number);
      expect(numbers).toEqual([...new Set(numbers)].sort((left, right) => left - right));
      expect(Math.max(...numbers)).toBeLessThan(2048);
    }
  });
});

describe('enums', () => {
  const values = (name: string): [string, number][] =>
    Object.entries(protoRoot.lookupEnum(`quaestor.ledger.v1.${name}`).values);
  const screaming = (name: string): string =>
    /^[A-Z_]+$/.test(name) ? name : name.replace(/[A-Z]/g, '_$&').toUpperCase();

  it.each([
    ['VotePhase', 'VOTE_PHASE_', votePhases],
    ['Role', 'ROLE_', roles],
    ['Vote', 'VOTE_', votes],
    ['ProposalStatus', 'PROPOSAL_STATUS_', proposalStatuses],
    ['ResultCode', 'RESULT_CODE_', resultCodes],
  ] as const)('%s agrees with its .proto file', (name, prefix, table) => {
    expect(
      table.names.map((value, number) => [
        `${prefix}${value === undefined ? 'UNSPECIFIED' : screaming(value)}`,
        number,
      ]),
    ).toEqual(values(name));
  });
});
