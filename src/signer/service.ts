import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';
import { invariant } from '../types/index.js';

/** Version of the protocol between validator and signer. */
export const signerProtocolVersion = 1;

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
