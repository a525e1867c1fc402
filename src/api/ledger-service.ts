/** Puts LedgerService together. */
import type { LedgerServiceHandlers } from '../codec/wire/quaestor/ledger/v1/LedgerService.js';
import { AccountReader } from './accounts.js';
import { duplexStream, serverStream, unary, type CallEnvironment } from './calls.js';
import type { CallerRole } from './identity.js';
import { getBlock, getStatus, getTransaction } from './reads.js';
import { submitStream, type SubmitStreamContext } from './submit-stream.js';
import { submit } from './submit.js';
import { subscribe, type SubscribeContext } from './subscribe.js';
import { getState } from './state.js';
import { getValidators } from './validators.js';

const anyone: readonly CallerRole[] = ['member', 'operator', 'validator'];
const members: readonly CallerRole[] = ['member'];

/** Handlers of LedgerService: members submit, everybody with a certificate of the network reads. */
export function ledgerHandlers(
  environment: CallEnvironment,
  context: SubmitStreamContext & SubscribeContext,
): LedgerServiceHandlers {
  const { reads } = context;
  const accounts = new AccountReader(reads);
  const read = <Request, Response>(
    name: string,
    handle: (request: Request) => Promise<Response>,
  ): ReturnType<typeof unary<Request, Response>> =>
    unary(environment, `LedgerService/${name}`, anyone, handle);
  return {
    Submit: unary(
      environment,
      'LedgerService/Submit',
      members,
      (request, info) => submit(context, request, info),
      1,
    ),
    SubmitStream: duplexStream(environment, 'LedgerService/SubmitStream', members, (call, life) =>
      submitStream(context, call, life),
    ),
    Subscribe: serverStream(environment, 'LedgerService/Subscribe', anyone, (request, call, info) =>
      subscribe(context, request, call, info),
    ),
    GetStatus: read('GetStatus', () => Promise.resolve(getStatus(reads))),
    GetValidators: read('GetValidators', (request) => getValidators(reads, request)),
    GetState: read('GetState', (request) => getState(reads, request)),
    GetTransaction: read('GetTransaction', (request) => getTransaction(reads, request)),
    GetBlock: read('GetBlock', (request) => getBlock(reads, request)),
    GetAccount: read('GetAccount', (request) => accounts.getAccount(request)),
    ListAccounts: read('ListAccounts', (request) => accounts.listAccounts(request)),
    ListAccountHistory: read('ListAccountHistory', (request) => accounts.listAccountHistory(request)),
  };
}
