/** Writes what is made from declarations in the code: npm run generate. */
import { writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { generatedFiles } from './generated-files.js';

for (const [path, text] of generatedFiles()) await writeFile(path, await formatted(path, text));

async function formatted(path: string, text: string): Promise<string> {
  return format(text, { ...(await resolveConfig(path)), filepath: path });
}
