import { Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';
import { formatVersionRange, invariant, parseVersionRange, type VersionRange } from '../types/index.js';

/** Versions of the protocol between validator and signer that this software speaks. */
export const signerVersions: VersionRange = { oldest: 1, newest: 1 };

const versionsKey = 'quaestor-versions';

/** Metadata of a call that says what the validator speaks. */
export function versionsMetadata(range: VersionRange): Metadata {
  const metadata = new Metadata();
  metadata.set(versionsKey, formatVersionRange(range));
  return metadata;
}

/** What the validator says that it speaks. Who says nothing is from before there was a second version. */
export function offeredVersions(metadata: Metadata): VersionRange {
  const [value] = metadata.get(versionsKey);
  return (typeof value === 'string' ? parseVersionRange(value) : undefined) ?? { oldest: 1, newest: 1 };
}

export type SignMethod = MethodDefinition<Buffer, Buffer>;

const name = 'quaestor.signer.v1.SignerService';
const passThrough = (bytes: Buffer): Buffer => bytes;

/** SignerService.Sign as the proto file declares it, with messages as bytes: the strict decoders of src/codec read them. */
export function loadSignMethod(): SignMethod {
  const definitions = loadSync('quaestor/signer/v1/signer_service.proto', {
    includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
  });
  const service = definitions[name] as Partial<Record<string, SignMethod>> | undefined;
  const method = service?.['Sign'];
  invariant(method !== undefined, `${name} has the method Sign`);
  return {
    ...method,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  };
}
