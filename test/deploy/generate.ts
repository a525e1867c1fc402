/** Writes the generated parts of the Helm chart: `npm run chart`. `npm test` fails when they are not up to date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { generatedFiles } from './generated.js';

for (const [path, text] of await generatedFiles((name) => readFileSync(name, 'utf8'))) {
  writeFileSync(path, text);
}
