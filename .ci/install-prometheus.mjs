// Installs what the monitoring tests run beside Quaestor, from Debian's packages, if it is missing and can be had:
// prometheus with promtool, and faketime. Says what could not be installed; tests that need it are skipped, by name.
import { execFileSync } from 'node:child_process';

const programs = { prometheus: 'prometheus', promtool: 'prometheus', faketime: 'faketime' };

const missing = () => Object.keys(programs).filter((program) => !runs('sh', ['-c', `command -v ${program}`]));

function runs(command, args, options = {}) {
  try {
    execFileSync(command, args, { stdio: 'ignore', ...options });
    return true;
  } catch {
    return false;
  }
}

if (missing().length > 0 && process.platform === 'linux' && runs('sh', ['-c', 'command -v apt-get'])) {
  const packages = [...new Set(missing().map((program) => programs[program]))];
  console.error(`Installing ${packages.join(', ')} …`);
  // The package starts a service of its own, which nobody here wants.
  const policy = '/usr/sbin/policy-rc.d';
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  runs('apt-get', ['update', '-qq'], { env });
  const kept = runs('test', ['-e', policy]);
  if (!kept) runs('sh', ['-c', `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod +x ${policy}`]);
  runs('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env });
  if (!kept) runs('rm', ['-f', policy]);
}
for (const program of missing()) {
  console.error(`${program} is not installed and could not be: tests that need it are skipped.`);
}
