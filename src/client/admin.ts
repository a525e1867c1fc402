/** The operator's way to one node: its AdminService. */
import { Metadata, type CallOptions, type ServiceError } from '@grpc/grpc-js';
import { bounds } from '../codec/index.js';
import type { ProtoGrpcType } from '../codec/wire/admin_service.js';
import type { AdminServiceClient } from '../codec/wire/quaestor/admin/v1/AdminService.js';
import type { BackUpNowResponse__Output } from '../codec/wire/quaestor/admin/v1/BackUpNowResponse.js';
import type { DrainResponse__Output } from '../codec/wire/quaestor/admin/v1/DrainResponse.js';
import type { GetConsensusStateResponse__Output } from '../codec/wire/quaestor/admin/v1/GetConsensusStateResponse.js';
import type { GetDiagnosisResponse__Output } from '../codec/wire/quaestor/admin/v1/GetDiagnosisResponse.js';
import type { GetMempoolResponse__Output } from '../codec/wire/quaestor/admin/v1/GetMempoolResponse.js';
import type { GetNodeInfoResponse__Output } from '../codec/wire/quaestor/admin/v1/GetNodeInfoResponse.js';
import type { PruneNowResponse__Output } from '../codec/wire/quaestor/admin/v1/PruneNowResponse.js';
import type { HandOverResponse__Output } from '../codec/wire/quaestor/admin/v1/HandOverResponse.js';
import type { ListPeersResponse__Output } from '../codec/wire/quaestor/admin/v1/ListPeersResponse.js';
import type { Peer__Output } from '../codec/wire/quaestor/admin/v1/Peer.js';
import type { ResumeResponse__Output } from '../codec/wire/quaestor/admin/v1/ResumeResponse.js';
import type { SetLogLevelResponse__Output } from '../codec/wire/quaestor/admin/v1/SetLogLevelResponse.js';
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

type AdminMethod =
  | 'listEvidence'
  | 'getNodeInfo'
  | 'listPeers'
  | 'getConsensusState'
  | 'getMempool'
  | 'drain'
  | 'resume'
  | 'handOver'
  | 'pruneNow'
  | 'backUpNow'
  | 'getDiagnosis'
  | 'setLogLevel';

type UnaryCall = (
  request: object,
  metadata: Metadata,
  options: CallOptions,
  done: (error: ServiceError | null, response?: unknown) => void,
) => void;

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
  async listEvidence(): Promise<{
    readonly evidence: readonly Uint8Array[];
    readonly setChanges: Uint8Array;
  }> {
    const { evidence, setChanges } = await this.#call<ListEvidenceResponse__Output>('listEvidence');
    return {
      evidence: evidence.map((bytes) => new Uint8Array(bytes)),
      setChanges: new Uint8Array(setChanges),
    };
  }

  /** What runs there. Rejects as listEvidence, like all others. */
  nodeInfo(): Promise<GetNodeInfoResponse__Output> {
    return this.#call('getNodeInfo');
  }

  /** The other nodes as that one sees them. */
  async peers(): Promise<readonly Peer__Output[]> {
    return (await this.#call<ListPeersResponse__Output>('listPeers')).peers;
  }

  /** Where the protocol stands on that node. */
  consensusState(): Promise<GetConsensusStateResponse__Output> {
    return this.#call('getConsensusState');
  }

  /** What waits to be committed on that node. */
  mempool(): Promise<GetMempoolResponse__Output> {
    return this.#call('getMempool');
  }

  /** Prepares it for a stop: it hands over when it is the primary, and takes nothing from clients. */
  drain(): Promise<DrainResponse__Output> {
    return this.#call('drain');
  }

  /** Ends a drain. */
  resume(): Promise<ResumeResponse__Output> {
    return this.#call('resume');
  }

  /** Makes another validator the primary. */
  handOver(): Promise<HandOverResponse__Output> {
    return this.#call('handOver');
  }

  /** Seals and removes what it need not keep, and gives back the room. */
  pruneNow(): Promise<PruneNowResponse__Output> {
    return this.#call('pruneNow');
  }

  /** Takes a backup now; with `full`, of every object, also what seems to be there. */
  backUpNow(full: boolean): Promise<BackUpNowResponse__Output> {
    return this.#call('backUpNow', { full });
  }

  /** JSON for an engineer far away, without secrets or payloads. */
  async diagnosis(): Promise<string> {
    return (await this.#call<GetDiagnosisResponse__Output>('getDiagnosis')).json;
  }

  /** Sets the level of its log (trace, debug, info, warn, error) and gives the one before. */
  async setLogLevel(level: string): Promise<string> {
    return (await this.#call<SetLogLevelResponse__Output>('setLogLevel', { level })).previousLevel;
  }

  close(): void {
    this.#client.close();
  }

  #call<Response>(method: AdminMethod, request: object = {}): Promise<Response> {
    const { address, timeoutMs = defaultTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, response?: unknown): void => {
        if (error === null) {
          resolve(response as Response);
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
      // All methods are unary; the generated types know each of them only by itself.
      const calls = this.#client as unknown as Readonly<Record<AdminMethod, UnaryCall>>;
      calls[method](request, new Metadata(), { deadline: Date.now() + timeoutMs }, done);
    });
  }
}
