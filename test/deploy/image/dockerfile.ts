/** Reads the instructions of a Dockerfile, as far as ours uses them. */

export type Instruction =
  | {
      readonly kind: 'copy';
      readonly from: string | undefined;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'workdir'; readonly path: string };

export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** What the last stage says about how the image is run. */
export interface ImageSettings {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly stopSignal: string;
}

export interface Dockerfile {
  readonly stages: readonly Stage[];
  readonly settings: ImageSettings;
}

/** Parses a Dockerfile. Throws an Error at an instruction that it does not know. */
export function parseDockerfile(text: string): Dockerfile {
  const args = new Map<string, string>();
  const stages: { base: string; name: string | undefined; instructions: Instruction[] }[] = [];
  let settings: ImageSettings = emptySettings;
  for (const line of logicalLines(text)) {
    const [, word = '', rest = ''] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    const value = rest.replace(/\$\{(\w+)\}/g, (whole, name: string) => args.get(name) ?? whole);
    const stage = stages.at(-1);
    switch (word.toUpperCase()) {
      case 'ARG': {
        const [name = '', initial = ''] = value.split('=', 2);
        args.set(name, initial);
        break;
      }
      case 'FROM': {
        const [base = '', , name] = value.split(/\s+/);
        stages.push({ base, name, instructions: [] });
        settings = emptySettings;
        break;
      }
      case 'COPY': {
        const words = value.split(/\s+/);
        const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
        stage?.instructions.push({
          kind: 'copy',
          from,
          sources: words.slice(0, -1),
          target: words.at(-1) ?? '',
        });
        break;
      }
      case 'RUN':
        stage?.instructions.push({ kind: 'run', command: rest });
        break;
      case 'WORKDIR':
        stage?.instructions.push({ kind: 'workdir', path: value });
        settings = { ...settings, workdir: value };
        break;
      case 'ENV':
        settings = { ...settings, env: { ...settings.env, ...pairs(value) } };
        break;
      case 'USER':
        settings = { ...settings, user: value };
        break;
      case 'ENTRYPOINT':
        settings = { ...settings, entrypoint: JSON.parse(value) as string[] };
        break;
      case 'CMD':
        settings = { ...settings, command: JSON.parse(value) as string[] };
        break;
      case 'STOPSIGNAL':
        settings = { ...settings, stopSignal: value };
        break;
      case 'LABEL':
      case 'EXPOSE':
        break;
      default:
        throw new Error(`The instruction ${word} is not known here.`);
    }
  }
  return { stages, settings };
}

const emptySettings: ImageSettings = {
  env: {},
  user: '0:0',
  workdir: '/',
  entrypoint: [],
  command: [],
  stopSignal: 'SIGTERM',
};

/** Instructions, without comments, with continued lines joined. */
function logicalLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  return lines
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n');
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)=("[^"]*"|\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** Whether a path of the context reaches the builder, by the rules of a .dockerignore: the last that matches decides. */
export function isSent(path: string, rules: string): boolean {
  let sent = true;
  for (const rule of logicalLines(rules)) {
    const pattern = rule.trim().replace(/^!/, '');
    const expression = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '[^/]*');
    if (new RegExp(`^${expression}(/.*)?$`).test(path)) sent = rule.startsWith('!');
  }
  return sent;
}
