/** States that differ only in names are one: letters of blocks, and replicas that are primary of no view explored. */
import type { Bounds } from './choices.js';
import type { Protocol, Replica } from './protocol.js';
import type { Start } from './derivation.js';

/** A text that is the same for states that are the same but for names. */
export function keyOf(protocol: Protocol, bounds: Bounds): string {
  const { n } = protocol.configuration;
  const free: number[] = [];
  for (let index = 0; index < n; index++) {
    if (protocol.replicas[index] !== undefined && index >= bounds.views) free.push(index);
  }
  let least: string | undefined;
  for (const order of permutations(free)) {
    const places = [...protocol.replicas.keys()].map((index) => {
      const at = free.indexOf(index);
      return at === -1 ? index : (order[at] ?? index);
    });
    const text = textOf(
      protocol,
      places.map((index) => protocol.replicas[index]),
    );
    if (least === undefined || text < least) least = text;
  }
  return least ?? '';
}

/**
 * Remembers states by 52 bits of a hash, so that tens of millions fit into memory. Two states may share them: of a
 * million states, one is missed with a probability of 0.0001; of twenty million, 0.05.
 */
export class StateSet {
  // One set holds no more than 2^24 values.
  readonly #shards = Array.from({ length: 16 }, () => new Set<number>());
  size = 0;

  /** Adds a state; false if it was there. */
  add(key: string): boolean {
    const print = fingerprint(key);
    const shard = this.#shards[print % 16];
    if (shard === undefined || shard.has(print)) return false;
    shard.add(print);
    this.size += 1;
    return true;
  }
}

/** Two hashes with the multiplication and the final mix of MurmurHash3, cut to 52 bits. */
function fingerprint(text: string): number {
  let low = 0x9747b28c;
  let high = 0x1b873593;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 0xcc9e2d51);
    low = (low << 15) | (low >>> 17);
    high = Math.imul(high ^ code, 0x85ebca6b);
    high = (high << 13) | (high >>> 19);
  }
  return (mixed(high ^ low) & 0xfffff) * 2 ** 32 + mixed(low ^ text.length);
}

function mixed(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

function textOf(protocol: Protocol, replicas: readonly (Replica | undefined)[]): string {
  const names = new Map<string, string>([['', '']]);
  const next = new Map<string, number>();
  /** Letters are given anew in order of appearance among blocks with the same parent and view. */
  const name = (block: string): string => {
    const known = names.get(block);
    if (known !== undefined) return known;
    const stem = `${name(block.slice(0, -2))}${block.at(-2) ?? ''}`;
    const letter = next.get(stem) ?? 0;
    next.set(stem, letter + 1);
    const fresh = `${stem}${String.fromCodePoint(97 + letter)}`;
    names.set(block, fresh);
    return fresh;
  };
  const start = ({ base, blocks }: Start): string => `${name(base)}:${blocks.map(name).join()}`;
  const byKey = <K, V>(entries: Iterable<readonly [K, V]>): (readonly [K, V])[] =>
    [...entries].sort(([left], [right]) => (left < right ? -1 : 1));
  const parts: string[] = [];
  for (const replica of replicas) {
    if (replica === undefined) {
      parts.push('-');
      continue;
    }
    parts.push(
      `${replica.view}${replica.changing ? '?' : ''} ${replica.finalView}${name(replica.final)} ${start(replica.start)}`,
    );
    for (const votes of [replica.prepares, replica.commits])
      parts.push(
        byKey(votes)
          .map(([key, block]) => `${key}=${name(block)}`)
          .join(),
      );
    parts.push(
      byKey(replica.prepared)
        .map(([, { view, block }]) => `${view}${name(block)}`)
        .join(),
      byKey(replica.asked)
        .map(
          ([view, { committed, prepared }]) =>
            `${view}:${shown(committed === undefined ? [] : [committed], name)}:${shown(prepared, name)}`,
        )
        .join(),
      byKey(replica.started)
        .map(([view, started]) => `${view}:${start(started)}`)
        .join(),
      [...replica.forgotten].sort().join(),
    );
  }
  parts.push(
    protocol.entered
      .map(({ view, start: entered, settled }) => `${view}:${start(entered)}:${settled}`)
      .sort()
      .join(),
  );
  return parts.join('|');
}

const shown = (
  prepared: readonly { readonly view: number; readonly block: string }[],
  name: (block: string) => string,
): string => prepared.map(({ view, block }) => `${view}${name(block)}`).join('+');

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}
