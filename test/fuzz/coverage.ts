/** Which branches of src ran: V8's own counters, read through the inspector. */
import { Session, type Profiler } from 'node:inspector';
import type { Guide } from './fuzzer.js';

/** Starts counting. Code that was compiled before is counted too. */
export async function coverageGuide(): Promise<Guide & { readonly branches: () => number; stop(): void }> {
  const session = new Session();
  session.connect();
  const post = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error, result) => {
        if (error === null) resolve(result as T);
        else reject(new Error(error.message));
      });
    });
  await post('Profiler.enable');
  await post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const seen = new Set<string>();
  return {
    async reachedNew() {
      const { result } = await post<Profiler.TakePreciseCoverageReturnType>('Profiler.takePreciseCoverage');
      const before = seen.size;
      for (const { url, functions } of result) {
        if (!url.includes('/src/')) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count > 0) seen.add(`${url}:${startOffset}:${endOffset}`);
          }
        }
      }
      return seen.size > before;
    },
    branches: () => seen.size,
    stop: () => session.disconnect(),
  };
}
