/** Waits, turn by turn of the event loop, until something else has brought about a condition. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
