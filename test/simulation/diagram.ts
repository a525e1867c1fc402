/** A sequence diagram in text of what a trace holds: a column for each validator, an arrow for each message. */

const column = 6;

/** Draws the last `rows` messages and events of trace lines; statuses are left out, since they only repeat. */
export function diagram(lines: readonly string[], validators: number, rows = 60): readonly string[] {
  const width = column * (validators - 1) + 1;
  const drawn = lines.flatMap((line) => {
    const [, time, text] = /^\s*([\d.]+) ms\s+(.*)$/.exec(line) ?? [];
    if (time === undefined || text === undefined) return [];
    const message = /^(\d+) -([>x]) (\d+)\s+(.*)$/.exec(text);
    if (message !== null) {
      const [, from = '', how = '>', to = '', what = ''] = message;
      if (what.startsWith('status')) return [];
      return [`${time.padStart(9)}  ${arrow(Number(from), Number(to), how === 'x', width)}  ${what}`];
    }
    const event = /^(\d+) (.*)$/.exec(text);
    const at = event === null ? -1 : Number(event[1]);
    return [
      `${time.padStart(9)}  ${lanes(width, (place) => (place === at * column ? '*' : undefined))}  ${text}`,
    ];
  });
  const head = Array.from({ length: validators }, (_, index) => String(index).padEnd(column)).join('');
  return [`${''.padStart(9)}  ${head.trimEnd()}`, ...drawn.slice(-rows)];
}

function lanes(width: number, over: (place: number) => string | undefined): string {
  return Array.from({ length: width }, (_, place) => over(place) ?? (place % column === 0 ? '|' : ' ')).join(
    '',
  );
}

function arrow(from: number, to: number, lost: boolean, width: number): string {
  const [start, end] = [from * column, to * column];
  const [low, high] = [Math.min(start, end), Math.max(start, end)];
  return lanes(width, (place) => {
    if (place === start) return 'o';
    if (place === end) return lost ? 'x' : to > from ? '>' : '<';
    return place > low && place < high ? '-' : undefined;
  });
}
