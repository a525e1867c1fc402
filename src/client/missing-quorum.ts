/** Why nothing becomes final, as far as validators can tell. */
import type { GetStatusRequest } from '../codec/wire/quaestor/ledger/v1/GetStatusRequest.js';
import type { GetStatusResponse__Output } from '../codec/wire/quaestor/ledger/v1/GetStatusResponse.js';
import type { UnaryMethod } from './endpoint.js';
import type { EndpointPool } from './pool.js';

/** How long validators are waited for. */
const timeoutMs = 2000;

const getStatus: UnaryMethod<GetStatusRequest, GetStatusResponse__Output> = (client, ...rest) =>
  client.getStatus(...rest);

/** Whether some validators answer and all of these see fewer than a quorum. Rejects with the signal's reason. */
export async function isQuorumMissing(pool: EndpointPool, signal: AbortSignal): Promise<boolean> {
  const deadlineMs = Date.now() + timeoutMs;
  const answers = await Promise.all(
    pool.endpoints.map((endpoint) => endpoint.call(getStatus, {}, deadlineMs, signal)),
  );
  const statuses = answers.flatMap((answer) => ('response' in answer ? [answer.response] : []));
  return (
    statuses.length > 0 && statuses.every(({ connectedValidators, quorum }) => connectedValidators < quorum)
  );
}
