/** Milliseconds of each unit of a duration, largest first. */
const durationUnits = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
/** Bytes of each unit of a size, largest first. */
const sizeUnits = { GiB: 2 ** 30, MiB: 2 ** 20, KiB: 2 ** 10, B: 1 } as const;

/** Milliseconds of a text such as "500ms", "2s", "5m", "1h" or "7d"; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, /^(\d{1,12})(ms|s|m|h|d)$/, durationUnits);
}

/** Bytes of a text such as "512B", "64KiB", "64MiB" or "2GiB"; undefined when it is none. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, /^(\d{1,12})(B|KiB|MiB|GiB)$/, sizeUnits);
}

/** Shortest exact text of a duration in milliseconds, for example "1500ms" or "2s". */
export function formatDuration(ms: number): string {
  return formatQuantity(ms, durationUnits);
}

/** Shortest exact text of a size in bytes, for example "64MiB". */
export function formatSize(bytes: number): string {
  return formatQuantity(bytes, sizeUnits);
}

function parseQuantity(
  text: string,
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const match = pattern.exec(text);
  const unit = units[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}

function formatQuantity(value: number, units: Readonly<Record<string, number>>): string {
  for (const [name, factor] of Object.entries(units)) {
    if (value !== 0 && value % factor === 0) return `${value / factor}${name}`;
  }
  return `${value}${Object.keys(units).at(-1) ?? ''}`;
}
