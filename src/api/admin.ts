/** The operator's service: inspects and steers this node. */
import type { AdminServiceHandlers } from '../codec/wire/quaestor/admin/v1/AdminService.js';
import type { SetLogLevelRequest__Output } from '../codec/wire/quaestor/admin/v1/SetLogLevelRequest.js';
import { unary, type CallEnvironment } from './calls.js';
import { invalidField } from './errors.js';
import { logLevels, type AdminPort, type LogLevel } from './ports.js';
import { mutable } from './mutable.js';

/** Handlers of AdminService: for operators only. */
export function adminHandlers(environment: CallEnvironment, admin: AdminPort): AdminServiceHandlers {
  const method = <Request, Response>(
    name: string,
    handle: (request: Request, caller: string) => Response,
  ): ReturnType<typeof unary<Request, Response>> =>
    unary<Request, Response>(environment, `AdminService/${name}`, ['operator'], (request, { caller }) =>
      Promise.resolve(handle(request, caller.name)),
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
    SetLogLevel: method('SetLogLevel', (request: SetLogLevelRequest__Output, caller) => {
      const level = logLevels.find((known): known is LogLevel => known === request.level);
      if (level === undefined) throw invalidField('level', `it must be one of ${logLevels.join(', ')}.`);
      const previousLevel = admin.setLogLevel(level);
      environment.log.info(
        { code: 'LOG_LEVEL_CHANGED', level, previousLevel, operator: caller },
        'An operator changed the log level.',
      );
      return { previousLevel };
    }),
  };
}
