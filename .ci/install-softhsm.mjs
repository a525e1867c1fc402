// Installs what the tests of keys on tokens need, if it is missing and can be had: SoftHSM 2 from Debian's packages, and
// the optional package pkcs11js, which npm compiles. Says what could not be installed; these tests are skipped, by name.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

function runs(command, args, options = {}) {
  try {
    execFileSync(command, args, { stdio: 'ignore', ...options });
    return true;
  } catch {
    return false;
  }
}

const hasLibrary = () => existsSync('/usr/lib/softhsm/libsofthsm2.so');
if (!hasLibrary() && process.platform === 'linux' && runs('sh', ['-c', 'command -v apt-get'])) {
  console.error('Installing softhsm2 …');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  runs('apt-get', ['update', '-qq'], { env });
  runs('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'softhsm2'], { env });
}
if (!hasLibrary()) {
  console.error('SoftHSM 2 is not installed and could not be: tests of keys on tokens are skipped.');
}

const loads = () => {
  try {
    createRequire(import.meta.url)('pkcs11js');
    return true;
  } catch {
    return false;
  }
};
if (!loads()) {
  console.error(
    'The optional package pkcs11js is not there or was not compiled (Python 3, make and a C++ compiler): tests of keys on tokens are skipped.',
  );
}
