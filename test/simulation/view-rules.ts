/**
 * Losses that follow the views: in each view some hear the prepares, some the commits, and one may be left out
 * altogether. So a block is prepared at one replica and final at another, and one that has something to tell comes back
 * when those who knew better are gone: several prepared certificates of different views compete for one height.
 */
import type { Filter } from './network.js';
import { kindOf, viewOf } from './packet.js';
import type { Random } from './random.js';

interface Rule {
  /** Who hears prepares and commits of the view. */
  readonly prepares: ReadonlySet<number>;
  readonly commits: ReadonlySet<number>;
  /** Who hears nothing and is not heard while the view is the latest one; -1 for nobody. */
  readonly absent: number;
}

/** A filter with a rule of its own for every view. */
export function viewRules(validators: number, random: Random): Filter {
  const rules: Rule[] = [];
  const all = Array.from({ length: validators }, (_, index) => index);
  let latest = 0;
  const ruleOf = (view: number): Rule => {
    while (rules.length <= view) rules.push(next(rules.at(-1), rules.length));
    return rules[view]!;
  };
  const everybody = new Set(all);
  const alone = (): ReadonlySet<number> => new Set([random.pick(all)]);
  const loneOne = (set: ReadonlySet<number> | undefined): number =>
    set?.size === 1 ? (all.find((index) => set.has(index)) ?? -1) : -1;
  const next = (before: Rule | undefined, view: number): Rule => {
    // Whoever alone knew something in the last view is often away in this one.
    const knew = Math.max(loneOne(before?.commits), loneOne(before?.prepares));
    const absent = random.pick([-1, random.pick(all), knew, knew]);
    return {
      prepares: random.pick([everybody, everybody, alone(), new Set(random.some(all, 1))]),
      commits: random.pick([everybody, alone(), alone(), new Set(random.some(all, 1))]),
      absent: absent === view % validators ? -1 : absent,
    };
  };
  return {
    loses: (from, to, packet) => {
      const view = viewOf(packet);
      const kind = kindOf(packet);
      // A view far ahead is nobody's: it is not worth thousands of rules.
      if (kind === 'newView' && view < latest + 50) latest = Math.max(latest, view);
      const { absent } = ruleOf(latest);
      if (from === absent || to === absent) return true;
      if (view < 0 || view > latest + 50) return false;
      const rule = ruleOf(view);
      if (from === rule.absent || to === rule.absent) return true;
      if (kind === 'prepare') return !rule.prepares.has(to);
      return kind === 'commit' && !rule.commits.has(to);
    },
  };
}
