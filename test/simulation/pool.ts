/** Runs simulations in processes of their own, one for each core: a simulation itself uses one. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SimulationOptions } from './options.js';

/** A simulation to run. */
export interface Job {
  readonly seed: number;
  readonly options?: Partial<SimulationOptions>;
  readonly traceLines: number;
}

/** How a simulation went, as far as it fits into a message between processes. */
export interface JobResult {
  readonly seed: number;
  readonly validators: number;
  readonly height: number;
  readonly highestView: number;
  readonly traceHash: string;
  readonly processorMs: number;
  readonly settlingMs: number;
  readonly longestStallMs: number;
  readonly counts: readonly (readonly [string, number])[];
  readonly troubles: readonly (readonly [string, number])[];
  readonly strategies: readonly string[];
  readonly coverage: readonly (readonly [number, number])[];
  readonly failure: string | undefined;
  readonly report: string | undefined;
}

type Answer = { readonly started: number } | { readonly result: JobResult } | { readonly idle: true };

/** Jobs that a process gets at once. */
const batchSize = 10;
/** A simulation takes a fraction of a second; one that is not done by then never ends. */
const hangMs = 120_000;

export interface PoolOptions {
  readonly processes: number;
  /** The next job; undefined when there is none any more. */
  readonly next: () => Job | undefined;
  readonly done: (result: JobResult) => void;
  /** Modules of the worker instead of those beside this one. */
  readonly worker?: string;
  /** Jobs that a process gets at once; default 10. */
  readonly batch?: number;
}

/** Runs all jobs. Resolves when the last one is done. */
export async function runPool(options: PoolOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.processes }, () => runProcess(options)));
}

function runProcess({ next, done, worker, batch = batchSize }: PoolOptions): Promise<void> {
  return new Promise((resolve) => {
    let child: ChildProcess | undefined;
    let current: number | undefined;
    let rest: Job[] = [];
    let watch: NodeJS.Timeout | undefined;
    let deaths = 0;
    const failed = (seed: number, failure: string): void =>
      done({
        seed,
        validators: 0,
        height: 0,
        highestView: 0,
        traceHash: '',
        processorMs: 0,
        settlingMs: 0,
        longestStallMs: 0,
        counts: [],
        troubles: [],
        strategies: [],
        coverage: [],
        failure,
        report: `seed ${seed}: ${failure}`,
      });
    const give = (): void => {
      const jobs = rest;
      while (jobs.length < batch) {
        const job = next();
        if (job === undefined) break;
        jobs.push(job);
      }
      if (jobs.length === 0) {
        child?.disconnect();
        child = undefined;
        resolve();
        return;
      }
      rest = [...jobs];
      child ??= begin();
      child.send(jobs);
    };
    const begin = (): ChildProcess => {
      const started = fork(worker ?? fileURLToPath(new URL('./worker.js', import.meta.url)), {
        execArgv: ['--enable-source-maps', '--max-semi-space-size=64'],
        env: { ...process.env, NODE_OPTIONS: '' },
      });
      started.on('message', (answer: Answer) => {
        clearTimeout(watch);
        if ('started' in answer) {
          current = answer.started;
          rest = rest.filter(({ seed }) => seed !== answer.started);
          watch = setTimeout(() => started.kill('SIGKILL'), hangMs);
        } else if ('result' in answer) {
          current = undefined;
          done(answer.result);
        } else give();
      });
      started.on('exit', (code, signal) => {
        clearTimeout(watch);
        if (child !== started) return;
        child = undefined;
        // It cannot even start, whatever the job is.
        if (current === undefined && ++deaths > 2) current = rest.shift()?.seed;
        if (current !== undefined)
          failed(current, `DEFECT: the process ended with ${code ?? signal ?? 'nothing'}`);
        current = undefined;
        give();
      });
      return started;
    };
    give();
  });
}
