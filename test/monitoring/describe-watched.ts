import { describe } from '@jest/globals';
import { installed } from './installed.js';

/** `describe` where Prometheus is installed; elsewhere skipped, by name. */
export const describeWatched = installed('prometheus') ? describe : describe.skip;
