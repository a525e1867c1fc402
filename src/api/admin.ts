/** The operator's service: inspects and steers this node. */
import type { AdminServiceHandlers } from '../codec/wire/quaestor/admin/v1/AdminService.js';
import type { BackUpNowRequest__Output } from '../codec/wire/quaestor/admin/v1/BackUpNowRequest.js';
import type { SetLogLevelRequest__Output } from '../codec/wire/quaestor/admin/v1/SetLogLevelRequest.js';
import { unary, type CallEnvironment } from './calls.js';
import { ApiError, invalidField } from './errors.js';
import { logLevels, type AdminPort, type LogLevel } from './ports.js';
import { mutable } from './mutable.js';

/** Handlers of AdminService: for operators only. */
export function adminHandlers(environment: CallEnvironment, admin: AdminPort): AdminServiceHandlers {
  const method = <Request, Response>(
    name: string,
    handle: (request: Request) => Response,
  ): ReturnType<typeof unary<Request, Response>> =>
    unary<Request, Response>(environment, `AdminService/${name}`, ['operator'], (request) =>
      Promise.resolve(handle(request)),
    );
  /** Something that is recorded before it is done. */
  const act = <Request extends object, Response>(
    name: string,
    handle: (request: Request) => Promise<Response>,
  ): ReturnType<typeof unary<Request, Response>> =>
    unary<Request, Response>(
      environment,
      `AdminService/${name}`,
      ['operator'],
      async (request, { caller }) => {
        const entry = { operator: caller.name, act: name, detail: JSON.stringify(request) };
        await admin.audit(entry);
        environment.log.info({ code: 'ADMIN_ACT', ...entry }, 'An operator uses the admin service.');
        return handle(request);
      },
    );
  return {
    GetNodeInfo: method('GetNodeInfo', () => ({ ...admin.nodeInfo() })),
    ListPeers: method('ListPeers', () => ({ peers: mutable(admin.peers()) })),
    GetConsensusState: method('GetConsensusState', () => {
      const { inFlight, ...state } = admin.consensusState();
      return {
        ...state,
        inFlight: inFlight.map(({ digest, ...rest }) => ({
          ...rest,
          ...(digest === undefined ? {} : { digest }),
        })),
      };
    }),
    ListEvidence: unary(environment, 'AdminService/ListEvidence', ['operator'], async () => {
      const { evidence, setChanges } = await admin.evidence();
      return { evidence: mutable(evidence), setChanges };
    }),
    GetMempool: method('GetMempool', () => ({ ...admin.mempool() })),
    GetDiagnosis: act('GetDiagnosis', async () => ({ json: await admin.diagnosis() })),
    Drain: act('Drain', () => admin.drain()),
    Resume: act('Resume', () => Promise.resolve({ wasDrained: admin.resume() })),
    HandOver: act('HandOver', async () => {
      const primary = await admin.handOver();
      if (primary !== undefined) return { primary };
      throw new ApiError('NOT_PRIMARY', 'This node is not the primary, so it has nothing to hand over.');
    }),
    PruneNow: act('PruneNow', () => admin.pruneNow()),
    BackUpNow: act('BackUpNow', ({ full }: BackUpNowRequest__Output) => admin.backUpNow(full)),
    SetLogLevel: act('SetLogLevel', (request: SetLogLevelRequest__Output) => {
      const level = logLevels.find((known): known is LogLevel => known === request.level);
      if (level === undefined) throw invalidField('level', `it must be one of ${logLevels.join(', ')}.`);
      return Promise.resolve({ previousLevel: admin.setLogLevel(level) });
    }),
  };
}
