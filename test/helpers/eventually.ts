/**
 * Waits until a condition holds that something else brings about, for example another process. A condition that throws
 * does not hold yet. The bound says nothing about speed: it only ends a test that would never end.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  boundMs = 60_000,
): Promise<void> {
  const endMs = Date.now() + boundMs;
  let latest: unknown;
  do {
    try {
      latest = undefined;
      if (await condition()) return;
    } catch (error) {
      latest = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  } while (Date.now() < endMs);
  throw new Error(`It did not come about that ${what}.`, { cause: latest });
}
