/** Sums CPU profiles up: where the time of the main threads went, by part of the program. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Text with the shares of layers and of the most expensive functions, over all profiles of a folder. */
export async function summarizeProfiles(folder: string): Promise<string> {
  const layers = new Map<string, number>();
  const functions = new Map<string, number>();
  let totalUs = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.cpuprofile')) continue;
    const profile = JSON.parse(await readFile(join(folder, name), 'utf8')) as Profile;
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    for (const [index, id] of profile.samples.entries()) {
      const frame = frames.get(id);
      const us = profile.timeDeltas[index] ?? 0;
      if (frame === undefined || frame.functionName === '(idle)') continue;
      totalUs += us;
      const place = placeOf(frame.url, frame.functionName);
      layers.set(place, (layers.get(place) ?? 0) + us);
      const file = frame.url.split('/').slice(-2).join('/');
      const label = `${frame.functionName === '' ? '(anonymous)' : frame.functionName} ${file}:${frame.lineNumber + 1}`;
      functions.set(label, (functions.get(label) ?? 0) + us);
    }
  }
  const share = (us: number): string => `${((100 * us) / totalUs).toFixed(1).padStart(5)} %`;
  const top = (map: ReadonlyMap<string, number>, count: number): readonly string[] =>
    [...map]
      .sort(([, left], [, right]) => right - left)
      .slice(0, count)
      .map(([label, us]) => `${share(us)}  ${label}`);
  return [`busy: ${(totalUs / 1e6).toFixed(1)} s`, ...top(layers, 30), '', ...top(functions, 70), ''].join(
    '\n',
  );
}

function placeOf(url: string, functionName: string): string {
  if (functionName === '(garbage collector)' || functionName === '(program)') return functionName;
  const own = /\/src\/([a-z]+)\/(native\/|state-tree\/)?/.exec(url);
  if (own !== null && !url.includes('/node_modules/.cache/') === url.includes('/node_modules/')) return url;
  if (own !== null && /\/(run-ts\/[0-9a-f]+|dist)\/src\//.test(url))
    return `src/${own[1] ?? ''}/${own[2] ?? ''}`;
  const library = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (library !== null) return library[1] ?? url;
  return url === '' ? '(native)' : url.replace(/\/.*/, '');
}
