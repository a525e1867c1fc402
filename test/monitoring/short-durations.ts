/** What a test can wait for, in place of what an operator wants to wait for. */
const shortFor = '1s';
/** Ranges up to this many seconds, over which rates are taken, and those that count events of a longer time. */
const longestRateSeconds = 600;
const shortRate = '8s';
const shortCount = '60s';

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The text of a rule file with shorter durations; thresholds and everything else stay. */
export function withShortDurations(text: string): string {
  return text
    .replace(/^(\s+for: )\d+[smhd]$/gm, `$1${shortFor}`)
    .replace(/ offset \d+[smhd]/g, ` offset ${shortCount}`)
    .replace(/\[(\d+)([smhd])\]/g, (_, count: string, unit: string) => {
      const seconds = Number(count) * (unitSeconds[unit] ?? 1);
      return `[${seconds <= longestRateSeconds ? shortRate : shortCount}]`;
    });
}
