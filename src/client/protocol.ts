/** Loads the protocol files of proto/quaestor: the same for the server and the SDK, with the options that the generated
 * types in src/codec/wire were made with. */
import { loadPackageDefinition, type GrpcObject } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const protoFolder = fileURLToPath(new URL('../../proto', import.meta.url));

/** What a protocol file defines. */
export interface LoadedProtocol {
  readonly definition: PackageDefinition;
  readonly types: GrpcObject;
}

/** Loads one file, for example "quaestor/ledger/v1/ledger_service.proto", and what it imports. */
export function loadProtocol(file: string): LoadedProtocol {
  const definition = loadSync(file, {
    includeDirs: [protoFolder],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
    arrays: true,
  });
  return { definition, types: loadPackageDefinition(definition) };
}
