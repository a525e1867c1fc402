// Writes the bill of materials of what runs in production (CycloneDX, by npm), and the list of its licences; fails when
// a licence is not on the list of those that were agreed to.
//
// node deploy/docker/sbom.mjs [FOLDER]     (default: sbom)
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeLicences, licencesOf } from './licences.mjs';

const folder = process.argv[2] ?? 'sbom';
const text = execFileSync(
  'npm',
  ['sbom', '--omit=dev', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'],
  { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, shell: process.platform === 'win32' },
);
const components = licencesOf(JSON.parse(text));
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'sbom.cdx.json'), text);
const rows = components.map(({ name, version, licence }) => `${name}\t${version}\t${licence}\n`);
writeFileSync(join(folder, 'licences.tsv'), `package\tversion\tlicence\n${rows.join('')}`);

const refused = judgeLicences(components);
for (const { name, version, licence } of refused) {
  console.error(
    `${name} ${version}: the licence ${licence} is not among the allowed ones (deploy/docker/licences.mjs).`,
  );
}
console.log(
  `${components.length} packages, ${refused.length} refused. See ${folder}/sbom.cdx.json and ${folder}/licences.tsv.`,
);
process.exitCode = refused.length === 0 ? 0 : 1;
