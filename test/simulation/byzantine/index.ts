/** What faulty validators do. */
import { badBlocks } from './bad-blocks.js';
import { accomplice, doubleVotes, twins } from './equivocation.js';
import { forging } from './forgery.js';
import { hoarding, inflating } from './hoarding.js';
import { lyingHistory, replaying, rubbish, withholding } from './noise.js';
import { censoring, selective, silent, slow, stingy, wrongTime } from './quiet.js';
import type { StrategyMaker } from './strategy.js';
import { usurping } from './usurping.js';
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
  accomplice,
  wildViews,
  forgetful,
  hoarding,
  inflating,
  splitViews,
  badBlocks,
  usurping,
  forging,
  withholding,
  rubbish,
  replaying,
  lyingHistory,
} as const satisfies Record<string, StrategyMaker>;

export type StrategyName = keyof typeof strategies;
export const strategyNames = Object.keys(strategies) as StrategyName[];
