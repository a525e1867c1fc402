import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isSent, parseDockerfile, type ImageSettings, type Instruction, type Stage } from './dockerfile.js';

export interface Image {
  /** Folder with its root file system. */
  readonly root: string;
  readonly settings: ImageSettings;
}

const dockerfile = 'deploy/docker/Dockerfile';

/** Performs the Dockerfile of a repository; `work` is a folder on a tmpfs. */
export function buildImage(repository: string, work: string): Image {
  const { stages, settings } = parseDockerfile(readFileSync(join(repository, dockerfile), 'utf8'));
  const context = sendContext(repository, join(work, 'context'));
  const roots = new Map<string, string>();
  let root = '';
  for (const [index, stage] of stages.entries()) {
    root = openStage(stage, join(work, `stage-${index}`));
    let workdir = '/';
    for (const instruction of stage.instructions)
      workdir = perform(instruction, root, workdir, context, roots);
    if (stage.name !== undefined) roots.set(stage.name, root);
  }
  return { root, settings };
}

/** Copies what the builder would be sent: files under version control or new, less those that are ignored. */
function sendContext(repository: string, target: string): string {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  });
  const rules = readFileSync(join(repository, `${dockerfile}.dockerignore`), 'utf8');
  for (const file of new Set(listed.split('\n'))) {
    if (file === '' || !isSent(file, rules) || !existsSync(join(repository, file))) continue;
    mkdirSync(dirname(join(target, file)), { recursive: true });
    cpSync(join(repository, file), join(target, file));
  }
  return target;
}

function openStage(stage: Stage, folder: string): string {
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  if (stage.base === 'scratch') return root;
  checkBase(stage.base);
  const [upper, overlay] = [join(folder, 'upper'), join(folder, 'overlay')];
  for (const path of [upper, overlay]) mkdirSync(path);
  execFileSync('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=/,upperdir=${upper},workdir=${overlay}`,
    root,
  ]);
  for (const path of ['proc', 'dev', 'sys', 'tmp'])
    execFileSync('mount', ['--rbind', `/${path}`, join(root, path)]);
  return root;
}

/** This machine stands for the base image: the same Node.js, the same Debian, or the result says little. */
function checkBase(base: string): void {
  const [, version, debian] = /^node:(\d+\.\d+\.\d+)-(\w+)-slim$/.exec(base) ?? [];
  const release = readFileSync('/etc/os-release', 'utf8');
  process.stdout.write(`Base ${base}: stood for by Node.js ${process.versions.node} on this machine.\n`);
  if (process.versions.node !== version || !release.includes(`(${debian ?? ''})`)) {
    process.stdout.write('WARNING: that is another version, or another Debian, than the base image.\n');
  }
}

function perform(
  instruction: Instruction,
  root: string,
  workdir: string,
  context: string,
  roots: ReadonlyMap<string, string>,
): string {
  const at = (path: string): string => join(root, path.startsWith('/') ? path : join(workdir, path));
  switch (instruction.kind) {
    case 'workdir':
      mkdirSync(at(instruction.path), { recursive: true });
      return instruction.path;
    case 'copy': {
      const from = instruction.from === undefined ? context : roots.get(instruction.from);
      if (from === undefined)
        throw new Error(`COPY --from=${instruction.from ?? ''}: there is no such stage.`);
      for (const source of instruction.sources) copy(join(from, source), at(instruction.target), instruction);
      return workdir;
    }
    case 'run': {
      process.stdout.write(`RUN ${instruction.command}\n`);
      execFileSync('chroot', [root, '/bin/sh', '-c', `cd ${workdir} && ${instruction.command}`], {
        stdio: ['ignore', 'inherit', 'inherit'],
        // What this machine needs to reach its package registry comes along.
        env: { ...process.env, HOME: '/root' },
      });
      return workdir;
    }
  }
}

/** A folder's contents go into the target, a file into the target if that is a folder. */
function copy(
  source: string,
  target: string,
  { target: written, sources }: { target: string; sources: readonly string[] },
): void {
  if (statSync(source).isDirectory()) {
    cpSync(source, target, { recursive: true, verbatimSymlinks: true });
    // Modes and owners too, which the copy of Node.js leaves out.
    execFileSync('cp', ['--archive', `${source}/.`, target]);
    return;
  }
  const intoFolder = written.endsWith('/') || sources.length > 1 || written === '.';
  cpSync(source, intoFolder ? join(target, basename(source)) : target);
}
