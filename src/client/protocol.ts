/** Loads the protocol files of proto/quaestor: the same for the server and the SDK, with the options that the generated
 * types in src/codec/wire were made with. */
import { loadPackageDefinition, type GrpcObject } from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const protoFolder = fileURLToPath(new URL('../../proto', import.meta.url));

/** What a protocol file defines. */
export interface LoadedProtocol {
  readonly definition: PackageDefinition;
  readonly types: GrpcObject;
}

const options: Options = {
  includeDirs: [protoFolder],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  arrays: true,
};

/** Loads one file, for example "quaestor/ledger/v1/ledger_service.proto", and what it imports. */
export function loadProtocol(file: string): LoadedProtocol {
  const definition = loadSync(file, options);
  return { definition, types: loadPackageDefinition(definition) };
}

/** The definition with the names of the file, for reflection; for calls the names are in camel case. */
export function loadDescriptors(file: string): PackageDefinition {
  return loadSync(file, { ...options, keepCase: true });
}
