/** Runs the chart's pods in a network namespace of its own: started by main.ts, with the image and a folder as JSON. */
import { execFileSync } from 'node:child_process';
import type { Image } from './build.js';
import { runPods } from './pods.js';

const { image, work } = JSON.parse(process.argv[2] ?? '') as { readonly image: Image; readonly work: string };
execFileSync('ip', ['link', 'set', 'lo', 'up']);
await runPods(image, work);
