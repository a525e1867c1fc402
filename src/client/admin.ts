/** The operator's way to one node: its AdminService. */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { bounds } from '../codec/index.js';
import type { ProtoGrpcType } from '../codec/wire/admin_service.js';
import type { AdminServiceClient } from '../codec/wire/quaestor/admin/v1/AdminService.js';
import type { ListEvidenceResponse__Output } from '../codec/wire/quaestor/admin/v1/ListEvidenceResponse.js';
import { callFailure, isUnavailable } from './endpoint.js';
import { RequestError, UnavailableError } from './errors.js';
import { loadProtocol } from './protocol.js';
import { channelCredentials, serverName, type ClientTls } from './tls.js';

export interface AdminClientOptions {
  /** "host:port" of the node's AdminService. */
  readonly address: string;
  /** Id of the validator that is expected there. */
  readonly validator: string;
  /** Name of the network, as in its genesis. */
  readonly network: string;
  /** An operator's certificate. */
  readonly tls: ClientTls;
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 10_000;

/** Talks to the AdminService of one node. */
export class AdminClient {
  readonly #client: AdminServiceClient;
  readonly #options: AdminClientOptions;

  constructor(options: AdminClientOptions) {
    const { AdminService } = (
      loadProtocol('quaestor/admin/v1/admin_service.proto').types as unknown as ProtoGrpcType
    ).quaestor.admin.v1;
    const { address, tls, network, validator } = options;
    this.#options = options;
    this.#client = new AdminService(address, channelCredentials(tls, network, validator), {
      'grpc.ssl_target_name_override': serverName,
      'grpc.service_config_disable_resolution': 1,
      'grpc.max_receive_message_length': 2 * bounds.maxValidatorSetChangesBytes,
    });
  }

  /**
   * All evidence that the node keeps, and the ValidatorSetChanges that say who was a member of which set: canonical
   * bytes, unchecked.
   *
   * @throws UnavailableError when the node does not answer; RequestError when it refuses.
   */
  listEvidence(): Promise<{ readonly evidence: readonly Uint8Array[]; readonly setChanges: Uint8Array }> {
    const { address, timeoutMs = defaultTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, response?: ListEvidenceResponse__Output): void => {
        if (error === null) {
          resolve({
            evidence: (response?.evidence ?? []).map((bytes) => new Uint8Array(bytes)),
            setChanges: new Uint8Array(response?.setChanges ?? []),
          });
          return;
        }
        const failure = callFailure(error);
        reject(
          isUnavailable(failure)
            ? new UnavailableError(`The node at ${address} does not answer: ${failure.message}`, error)
            : new RequestError(failure.reason ?? 'INTERNAL', failure.message, {
                statusCode: failure.statusCode,
                validator: address,
                details: failure.details,
              }),
        );
      };
      this.#client.listEvidence({}, new Metadata(), { deadline: Date.now() + timeoutMs }, done);
    });
  }

  close(): void {
    this.#client.close();
  }
}
