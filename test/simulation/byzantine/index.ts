/** What faulty validators do. */
import { badBlocks } from './bad-blocks.js';
import { doubleVotes, twins } from './equivocation.js';
import { forging } from './forgery.js';
import { hoarding } from './hoarding.js';
import { lyingHistory, replaying, rubbish, withholding } from './noise.js';
import { censoring, selective, silent, slow, stingy, wrongTime } from './quiet.js';
import type { StrategyMaker } from './strategy.js';
import { forgetful, splitViews, wildViews } from './views.js';

export { combine, messageIn, type Sending, type Strategy, type Villain } from './strategy.js';

export const strategies = {
  silent,
  selective,
  stingy,
  slow,
  censoring,
  wrongTime,
  twins,
  doubleVotes,
  wildViews,
  forgetful,
  hoarding,
  splitViews,
  badBlocks,
  forging,
  withholding,
  rubbish,
  replaying,
  lyingHistory,
} as const satisfies Record<string, StrategyMaker>;

export type StrategyName = keyof typeof strategies;
export const strategyNames = Object.keys(strategies) as StrategyName[];
