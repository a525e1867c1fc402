/** Command line of the bench. */
import { parseArgs } from 'node:util';

export const partNames = ['floor', 'idle', 'low', 'peak', 'sustained', 'unary', 'sdk', 'memory'] as const;
export type Part = (typeof partNames)[number];

export interface BenchOptions {
  /** Whether this is a smoke run. */
  readonly quick: boolean;
  readonly parts: ReadonlySet<Part>;
  /** Number of validators and of accounts of each network; the first is the one that the summary is about. */
  readonly networks: readonly { readonly validators: number; readonly accounts: number }[];
  /** Length of each measured run. */
  readonly runMs: number;
  /** Transactions in flight, rising. */
  readonly inFlight: readonly number[];
  /** Numbers of transactions after which the resident memory is noted. */
  readonly memoryAt: readonly number[];
  readonly json: string | undefined;
  /** Folder for CPU profiles. */
  readonly profile: string | undefined;
  /** Flags of Node.js for the validators. */
  readonly nodeFlags: readonly string[];
  /** YAML lines for the configurations. */
  readonly config: readonly string[];
  /** Where networks are made; kept if given. */
  readonly dir: string | undefined;
}

export const usage = `Usage: npm run bench -- [options]

Starts networks of validators on loopback, drives signed transfers, and reports speed, times, memory and sizes.

  --quick                 a smoke run of a few seconds with small numbers that mean nothing
  --json FILE             also writes the results to a file, with units in the names of the fields
  --parts LIST            only these, comma-separated: ${partNames.join(', ')}
  --networks LIST         VALIDATORSxACCOUNTS, comma-separated; the summary is about the first.
                          Default: 4x10,4x100000,7x10
  --seconds N             length of each measured run; default 10
  --in-flight LIST        transactions in flight, rising; default 64,512,2048,8192,16384
  --memory-at LIST        numbers of transactions at which memory is noted;
                          default 100000,150000,200000,250000,300000
  --profile DIR           writes CPU profiles of the validators and the load generator, and where the time went
  --node-flag FLAG        flag of Node.js for the validators; may be repeated
  --config LINE           line of YAML for the validators' configurations; may be repeated
  --dir DIR               makes the networks in this folder and keeps them
  --help                  this text
`;

/** Reads the options. Undefined when help was asked for; throws an Error with a sentence when they are wrong. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      parts: { type: 'string' },
      networks: { type: 'string' },
      seconds: { type: 'string' },
      'in-flight': { type: 'string' },
      'memory-at': { type: 'string' },
      profile: { type: 'string' },
      'node-flag': { type: 'string', multiple: true, default: [] },
      config: { type: 'string', multiple: true, default: [] },
      dir: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const quick = values.quick;
  const networks = values.networks ?? (quick ? '4x10' : '4x10,4x100000,7x10');
  return {
    quick,
    parts: new Set(values.parts === undefined ? partNames : values.parts.split(',').map(partOf)),
    networks: networks.split(',').map(networkOf),
    runMs: 1000 * positive('--seconds', values.seconds ?? (quick ? '1' : '10')),
    inFlight: numbers('--in-flight', values['in-flight'] ?? (quick ? '64,256' : '64,512,2048,8192,16384')),
    memoryAt: numbers(
      '--memory-at',
      values['memory-at'] ?? (quick ? '1000,1500' : '100000,150000,200000,250000,300000'),
    ),
    json: values.json,
    profile: values.profile,
    nodeFlags: values['node-flag'],
    config: values.config,
    dir: values.dir,
  };
}

function partOf(name: string): Part {
  const part = partNames.find((known) => known === name);
  if (part === undefined) throw new Error(`"${name}" is no part; there are ${partNames.join(', ')}.`);
  return part;
}

function networkOf(text: string): { readonly validators: number; readonly accounts: number } {
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no network; expected something like 4x100000.`);
  return {
    validators: positive('--networks', match[1] ?? ''),
    accounts: positive('--networks', match[2] ?? ''),
  };
}

function numbers(name: string, text: string): readonly number[] {
  return text.split(',').map((item) => positive(name, item));
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`${name} has "${text}"; expected a number above 0.`);
}
