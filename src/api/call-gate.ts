/**
 * The first thing that a call meets, before any byte of its request is read: limits of rate and concurrency, and of what
 * the event loop can do. A call that is shed here costs its headers and an answer.
 */
import { ServerInterceptingCall, type ServerInterceptor, type ServerListener } from '@grpc/grpc-js';
import type { Connections } from './connections.js';
import { statusOf } from './errors.js';
import type { LoopLag } from './loop-lag.js';
import type { ApiMetrics } from './ports.js';
import { beginCall, ShedError } from './traffic.js';

export interface CallGateOptions {
  readonly connections: Connections;
  readonly lag: LoopLag;
  readonly metrics: ApiMetrics;
  /** Path of the service whose calls are limited: "/package.Service/". Health stays reachable under any load. */
  readonly service: string;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Those who wait for the load to fall come back after so many times what the loop is behind. */
const busyDelays = 4;

/** Makes the interceptor of a server. */
export function callGate({ connections, lag, metrics, service, now }: CallGateOptions): ServerInterceptor {
  const shortName = service.slice(service.lastIndexOf('.') + 1);
  return (method, call) => {
    if (!method.path.startsWith(service)) return new ServerInterceptingCall(call);
    let end = (): void => undefined;
    return new ServerInterceptingCall(call, {
      start(next) {
        const listener: ServerListener = {
          onReceiveMetadata(metadata, proceed) {
            try {
              const { overloadMs } = lag;
              // Streams pace themselves, and an open one costs little.
              if (overloadMs > 0 && !method.requestStream) {
                throw new ShedError(
                  'BUSY',
                  'load',
                  'This node has more to do than it can. Try again later, or at another validator.',
                  overloadMs * busyDelays,
                );
              }
              end = beginCall(connections.payersOf(call.getPeer()), now());
            } catch (error) {
              if (!(error instanceof ShedError)) throw error;
              const name = shortName + method.path.slice(service.length);
              metrics.shed(name, error.shed, 1);
              metrics.callEnded(name, 'RESOURCE_EXHAUSTED', 0);
              call.sendStatus(statusOf(error));
              return;
            }
            proceed(metadata);
          },
          onCancel() {
            end();
          },
        };
        next(listener);
      },
      sendStatus(answer, next) {
        end();
        next(answer);
      },
    });
  };
}
