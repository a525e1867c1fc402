/** A page that shows a dashboard as Grafana would, drawn by uPlot from answers of Prometheus. */
import { readFile } from 'node:fs/promises';
import type { Dashboard, Panel, Unit } from './panel.js';

type Series = readonly {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}[];

export const pageWidth = 1280;
const columns = 24;
const [rowHeight, graphHeight, valueHeight, headHeight] = [30, 176, 88, 70];

/** Height of the whole page in pixels. */
export function pageHeight({ rows }: Dashboard): number {
  return rows.reduce((sum, { panels }) => sum + rowHeight + linesOf(panels), headHeight);
}

/** Panels fill lines of 24 columns from left to right. */
function linesOf(panels: readonly Panel[]): number {
  let [height, used, line] = [0, 0, 0];
  for (const panel of panels) {
    const width = widthOf(panel);
    if (used + width > columns) {
      height += line + 8;
      [used, line] = [0, 0];
    }
    used += width;
    line = Math.max(line, panel.kind === 'stat' ? valueHeight : graphHeight);
  }
  return height + line;
}

const widthOf = ({ kind, width }: Panel): number => width ?? (kind === 'stat' ? 4 : 8);

/** HTML with everything in it; `answers` by expression as the panels have it. */
export async function drawnPage(dashboard: Dashboard, answers: ReadonlyMap<string, Series>): Promise<string> {
  const [script, style] = await Promise.all(
    ['uPlot.iife.min.js', 'uPlot.min.css'].map((name) => readFile(`node_modules/uplot/dist/${name}`, 'utf8')),
  );
  const rows = dashboard.rows.map(({ title, panels }) => ({
    title,
    panels: panels.map((panel) => ({
      title: panel.title,
      kind: panel.kind,
      width: widthOf(panel),
      height: panel.kind === 'stat' ? valueHeight : graphHeight,
      unit: panel.unit,
      alarm: panel.alarm,
      ...dataOf(panel, answers),
    })),
  }));
  const data = JSON.stringify(rows).replaceAll('<', '\\u003c');
  return `<!doctype html><meta charset="utf-8"><style>${style ?? ''}${css}</style>
<h1>${dashboard.title}</h1><p>${dashboard.description}</p><main></main>
<script>${script ?? ''}</script><script>const rows = ${data};${drawing}</script>`;
}

interface Drawn {
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
  /** For a single value. */
  readonly shown: readonly string[];
}

function dataOf(panel: Panel, answers: ReadonlyMap<string, Series>): Drawn {
  const found = panel.queries.flatMap(({ expr, legend }) =>
    (answers.get(expr) ?? []).map(({ metric, values }) => ({
      label: legend.replace(/\{\{(\w+)\}\}/g, (_, name: string) => metric[name] ?? ''),
      values: new Map(values.map(([time, text]) => [Math.round(time), Number(text)])),
    })),
  );
  const times = [...new Set(found.flatMap(({ values }) => [...values.keys()]))].sort((a, b) => a - b);
  const last = times.at(-1);
  return {
    times,
    series: found.map(({ label, values }) => ({
      label,
      values: times.map((time) => {
        const value = values.get(time);
        return value === undefined || Number.isNaN(value) ? null : value;
      }),
    })),
    shown: found
      .filter(({ values }) => last !== undefined && values.has(last))
      .map(({ label, values }) => {
        const value = values.get(last ?? 0) ?? Number.NaN;
        if (panel.title === 'Primary' && panel.queries.length === 1 && value === 1 && found.length > 0) {
          return panel.queries[0]?.expr.includes('== 1') === true
            ? label
            : `${label} ${text(value, panel.unit)}`;
        }
        if (panel.title === 'Version') return label;
        return found.length === 1 ? text(value, panel.unit) : `${label} ${text(value, panel.unit)}`;
      }),
  };
}

/** A value as a person reads it. */
function text(value: number, unit: Unit): string {
  const round = (number: number): string => String(Number(number.toPrecision(3)));
  if (unit === 'none' || unit === 'short') return Number(value.toPrecision(4)).toLocaleString('en-US');
  if (unit === 's') {
    if (Math.abs(value) >= 2 * 86_400) return `${round(value / 86_400)} d`;
    return Math.abs(value) >= 1 ? `${round(value)} s` : `${round(value * 1000)} ms`;
  }
  if (unit === 'bytes' || unit === 'Bps') {
    const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
    return `${round(value / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power] ?? ''}${unit === 'Bps' ? '/s' : ''}`;
  }
  if (unit === 'percentunit') return `${round(value * 100)} %`;
  if (unit === 'dateTimeFromNow') return `${round((Date.now() - value) / 1000)} s ago`;
  return `${round(value)}/s`;
}

const css = `
body { margin: 0 14px; font: 12px 'DejaVu Sans', sans-serif; background: #fff; color: #24292e; }
h1 { font-size: 17px; margin: 12px 0 2px; } p { margin: 0 0 8px; color: #666; }
h2 { font-size: 13px; margin: 8px 0; height: ${rowHeight - 16}px; }
.line { display: grid; grid-template-columns: repeat(${columns}, 1fr); gap: 8px; }
.panel { border: 1px solid #ddd; border-radius: 3px; padding: 4px 6px; box-sizing: border-box; overflow: hidden; }
.panel h3 { font-size: 11px; margin: 0 0 2px; } .value { font-size: 19px; font-weight: bold; margin-top: 8px; color: #1a7f37; }
.value.many { font-size: 10px; line-height: 1.35; margin-top: 2px; } .value.alarm { color: #cf222e; } .quiet { color: #888; padding: 40px 0; text-align: center; }
.legend { height: 26px; font-size: 9px; overflow: hidden; line-height: 13px; } .legend b { display: inline-block; width: 9px; height: 3px; margin: 0 3px 2px 8px; }`;

/** Runs in the page. */
const drawing = `
const colours = ['#1f77b4','#ff7f0e','#2ca02c','#d62728','#9467bd','#8c564b','#e377c2','#17becf','#bcbd22','#7f7f7f'];
const short = (v, unit) => {
  if (v === 0) return '0';
  if (unit === 's') return Math.abs(v) < 1 ? +(v * 1000).toPrecision(3) + ' ms' : +v.toPrecision(3) + ' s';
  if (unit === 'percentunit') return +(v * 100).toPrecision(3) + ' %';
  if (unit === 'bytes' || unit === 'Bps') { const p = Math.max(0, Math.min(4, Math.floor(Math.log2(Math.abs(v)) / 10))); return +(v / 1024 ** p).toPrecision(3) + ' ' + ['B','KiB','MiB','GiB','TiB'][p]; }
  return Math.abs(v) >= 1e4 ? (+v.toPrecision(3)).toLocaleString('en-US', { notation: 'compact' }) : String(+v.toPrecision(3));
};
const main = document.querySelector('main');
for (const row of rows) {
  const h2 = main.appendChild(document.createElement('h2')); h2.textContent = row.title;
  const line = main.appendChild(document.createElement('div')); line.className = 'line';
  for (const panel of row.panels) {
    const box = line.appendChild(document.createElement('div')); box.className = 'panel';
    box.style.gridColumn = 'span ' + panel.width; box.style.height = panel.height + 'px';
    box.appendChild(document.createElement('h3')).textContent = panel.title;
    if (panel.kind === 'stat') {
      const value = box.appendChild(document.createElement('div'));
      value.className = 'value' + (panel.shown.length > 1 ? ' many' : '');
      value.innerHTML = panel.shown.length === 0 ? '–' : panel.shown.map((t) => t.replace(/</g, '&lt;')).join('<br>');
      continue;
    }
    if (panel.series.length === 0) { const q = box.appendChild(document.createElement('div')); q.className = 'quiet'; q.textContent = 'none'; continue; }
    const plot = box.appendChild(document.createElement('div'));
    new uPlot({
      width: box.clientWidth - 12, height: panel.height - 52, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (u, min, max) => [Math.min(0, min), max <= 0 ? 1 : max * 1.1] } },
      axes: [{ font: '9px DejaVu Sans', size: 22, values: (u, ts) => ts.map((t) => new Date(t * 1000).toISOString().slice(14, 19)) },
             { font: '9px DejaVu Sans', size: 64, values: (u, vs) => vs.map((v) => short(v, panel.unit)) }],
      series: [{}, ...panel.series.map((s, i) => ({ label: s.label, stroke: colours[i % colours.length], width: 1, points: { show: false }, spanGaps: false }))],
    }, [panel.times, ...panel.series.map((s) => s.values)], plot);
    const legend = box.appendChild(document.createElement('div')); legend.className = 'legend';
    panel.series.slice(0, 14).forEach((s, i) => { const b = legend.appendChild(document.createElement('b')); b.style.background = colours[i % colours.length]; legend.append(s.label); });
  }
}`;
