// Installs moto, a server that speaks S3, from PyPI into a virtual environment of its own (node_modules/.quaestor-moto),
// if it is missing and can be had. Says so if not; tests that need it are skipped, by name.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const place = join(dirname(fileURLToPath(import.meta.url)), '..', 'node_modules', '.quaestor-moto');
const program = join(place, 'bin', 'moto_server');

if (!existsSync(program)) {
  console.error('Installing moto …');
  try {
    execFileSync('python3', ['-m', 'venv', place], { stdio: 'ignore' });
    execFileSync(join(place, 'bin', 'pip'), ['install', '--quiet', 'moto[server]==5.*'], { stdio: 'ignore' });
  } catch {
    rmSync(place, { recursive: true, force: true });
    console.error(
      'moto (Python 3 with venv and PyPI) could not be installed: tests with an S3 server are skipped.',
    );
  }
}
