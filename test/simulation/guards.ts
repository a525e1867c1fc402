/**
 * While a simulation runs, nothing may look at the machine's clock or timers, or ask it for random numbers: each such
 * call throws. What the jest environment or Node itself needs is put back afterwards.
 */

type Target = Record<string, unknown>;

function forbidden(name: string): () => never {
  return () => {
    throw new Error(`${name} was called in a simulation: the code depends on the machine.`);
  };
}

const targets: readonly (readonly [Target, string])[] = [
  [Date as unknown as Target, 'now'],
  [performance as unknown as Target, 'now'],
  [Math as unknown as Target, 'random'],
  [globalThis.crypto as unknown as Target, 'getRandomValues'],
  [globalThis.crypto as unknown as Target, 'randomUUID'],
  [globalThis, 'setTimeout'],
  [globalThis, 'setInterval'],
  [globalThis, 'setImmediate'],
];

/** Runs `work` with the machine's nondeterminism out of reach. */
export async function sealed<T>(work: () => Promise<T>): Promise<T> {
  const restore = targets.map(([target, name]) => {
    const descriptor = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value: forbidden(name), configurable: true, writable: true });
    return () => {
      if (descriptor === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, descriptor);
    };
  });
  try {
    return await work();
  } finally {
    for (const undo of restore) undo();
  }
}
