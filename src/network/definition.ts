import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';
import { DefectError } from '../types/index.js';

/** A method whose messages are handled as bytes: our own strict and bounded decoders read them. */
export type RawMethod = MethodDefinition<Buffer, Buffer>;

export interface PeerServiceDefinition {
  readonly Connect: RawMethod;
  readonly FetchBlocks: RawMethod;
  readonly FetchState: RawMethod;
  readonly FetchSetChanges: RawMethod;
  readonly Observe: RawMethod;
}

/** Calls that stream much to one node from another. */
export type FetchMethod = 'FetchBlocks' | 'FetchState' | 'FetchSetChanges';

const name = 'quaestor.peer.v1.PeerService';
const passThrough = (bytes: Buffer): Buffer => bytes;

/** PeerService as the proto file declares it, with messages as bytes. */
export function loadPeerService(): PeerServiceDefinition {
  const definitions = loadSync('quaestor/peer/v1/peer_service.proto', {
    includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    arrays: true,
  });
  const service = definitions[name] as Partial<Record<string, RawMethod>> | undefined;
  return {
    Connect: raw(service?.['Connect']),
    FetchBlocks: raw(service?.['FetchBlocks']),
    FetchState: raw(service?.['FetchState']),
    FetchSetChanges: raw(service?.['FetchSetChanges']),
    Observe: raw(service?.['Observe']),
  };
}

function raw(method: RawMethod | undefined): RawMethod {
  if (method === undefined) throw new DefectError(`${name} lacks a method in its proto file`);
  return {
    ...method,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  };
}
