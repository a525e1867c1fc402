import { Command } from 'commander';
import type { Genesis } from '../../codec/index.js';
import { loadGenesis, readBoundedFile } from '../../config/index.js';
import { genesisSigningBytes } from '../../crypto/index.js';
import {
  canPrompt,
  openKeystore,
  promptPassword,
  readPasswordFile,
  verifyZip215Natively,
} from '../../crypto/native/index.js';
import { genesisChainId } from '../../ledger/index.js';
import { asSignature, equalBytes, fromHex, toHex, type ChainId } from '../../types/index.js';
import { define } from '../command.js';
import { CommandError, usageError } from '../command-error.js';
import { exitCodes } from '../exit-codes.js';
import { writeWholeFile } from '../whole-file.js';
import { assembleCommand, requestCommand } from './genesis-assemble.js';
import { groupedChainId, showGenesis } from './genesis-text.js';

/** `quaestor genesis`. */
export function genesisCommand(): Command {
  return new Command('genesis')
    .description(
      'The genesis of a network of institutions that do not trust each other: each hands out its public parts, anybody puts ' +
        'them together, each compares and signs the result (docs/operators/ceremony.md).',
    )
    .addCommand(requestCommand())
    .addCommand(assembleCommand())
    .addCommand(showCommand())
    .addCommand(signCommand())
    .addCommand(verifyCommand());
}

interface GenesisOptions {
  readonly genesis: string;
}

function showCommand(): Command {
  const command = new Command('show')
    .summary('what a genesis says, and its chain id')
    .description(
      'Shows what a genesis file says, for people who have to agree to it, and the chain id: its hash, which names all of it. ' +
        'Two institutions with the same chain id have the same genesis; compare it where nobody else can interfere.',
    )
    .requiredOption('-g, --genesis <file>', 'genesis file');
  return define<GenesisOptions>(
    command,
    'quaestor genesis show --genesis genesis.yaml',
    async ({ output }, options) => {
      const genesis = await read(options.genesis);
      showGenesis(output, genesis);
      const { network, timeMs, members, assets, accounts, parameters, rulesVersion = 1 } = genesis;
      const validators = genesis.validators.map(({ id, member, publicKey }) => ({ id, member, publicKey }));
      output.document({
        network,
        chainId: genesisChainId(genesis),
        time: new Date(timeMs).toISOString(),
        rulesVersion,
        parameters,
        validators,
        members,
        assets,
        accounts: accounts.length,
      });
      return undefined;
    },
  );
}

interface SignOptions extends GenesisOptions {
  readonly chainId: string;
  readonly validator: string;
  readonly key: string;
  readonly passwordFile?: string;
  readonly out: string;
}

function signCommand(): Command {
  const command = new Command('sign')
    .summary('agree to a genesis')
    .description(
      'Signs a genesis with the key of a validator that it names. The chain id that was compared with the others has to be ' +
        'given: another genesis is not signed.',
    )
    .requiredOption('-g, --genesis <file>', 'genesis file')
    .requiredOption('--chain-id <id>', 'chain id that was compared with the other institutions')
    .requiredOption('--validator <id>', 'id of the own validator')
    .requiredOption('--key <file>', 'key file of the own validator')
    .option('--password-file <file>', 'its password (default: asked for at the terminal)')
    .requiredOption('-o, --out <file>', 'signature to write');
  return define<SignOptions>(
    command,
    "quaestor genesis sign --genesis genesis.yaml --chain-id '0f1e 2d3c …' --validator validator-1 --key key/validator.key --password-file key/validator.password --out validator-1.signature",
    async ({ output }, options) => {
      const genesis = await read(options.genesis);
      const chainId = genesisChainId(genesis);
      if (options.chainId.replaceAll(' ', '').toLowerCase() !== toHex(chainId)) {
        throw new CommandError(
          'WRONG_GENESIS',
          `The genesis ${options.genesis} has the chain id ${groupedChainId(chainId)}, not the one that was given. Nothing was signed.`,
          exitCodes.unverified,
        );
      }
      const own = genesis.validators.find(({ id }) => id === options.validator);
      if (own === undefined) throw usageError(`The genesis has no validator "${options.validator}".`);
      const opened = await openKeystore(options.key, await password(options));
      if (!opened.ok) throw opened.error;
      const signer = opened.value;
      if (!equalBytes(signer.publicKey, own.publicKey)) {
        throw new CommandError(
          'KEY_MISMATCH',
          `The key ${options.key} is not the one that the genesis has for ${options.validator}. Nothing was signed: somebody ` +
            'has put another key there, or this is the wrong file.',
          exitCodes.unverified,
        );
      }
      const signature = toHex(await signer.sign(genesisSigningBytes(chainId)));
      await writeWholeFile(options.out, [`${options.validator} ${toHex(chainId)} ${signature}\n`]);
      output.line(`Signed by ${options.validator}: ${options.out}. Send it to the other institutions.`);
      output.document({ validator: options.validator, chainId, signature, file: options.out });
      return undefined;
    },
  );
}

async function password({ key, passwordFile }: SignOptions): Promise<string> {
  if (passwordFile === undefined) {
    if (!canPrompt()) throw usageError('There is no terminal to ask for the password: name --password-file.');
    return promptPassword(`Password of ${key}`);
  }
  const given = await readPasswordFile(passwordFile);
  if (!given.ok) throw given.error;
  return given.value;
}

interface VerifyOptions extends GenesisOptions {
  readonly signatures: readonly string[];
}

/** A line of a validator's id, the chain id and a signature. */
const maxSignatureBytes = 1024;

function verifyCommand(): Command {
  const command = new Command('verify')
    .summary('check that all validators have signed')
    .description('Checks that every validator of a genesis has signed it. Exit code 4 if one has not.')
    .requiredOption('-g, --genesis <file>', 'genesis file')
    .requiredOption('-s, --signatures <file...>', 'signatures of the validators');
  return define<VerifyOptions>(
    command,
    'quaestor genesis verify --genesis genesis.yaml --signatures validator-1.signature validator-2.signature',
    async ({ output }, options) => {
      const genesis = await read(options.genesis);
      const chainId = genesisChainId(genesis);
      const outcomes = new Map<string, string>();
      for (const file of options.signatures) {
        const text = Buffer.from(await readBoundedFile(file, maxSignatureBytes)).toString('utf8');
        const { validator, outcome } = judge(text, genesis, chainId);
        if (validator === undefined)
          throw new CommandError('SIGNATURE_UNFIT', `${file}: ${outcome}`, exitCodes.unverified);
        outcomes.set(validator, outcome);
      }
      const rows = genesis.validators.map(({ id, member }) => ({
        id,
        member,
        signed: outcomes.get(id) ?? 'has not signed',
      }));
      const all = rows.every(({ signed }) => signed === 'signed');
      output.table(
        ['validator', 'member', ''],
        rows.map(({ id, member, signed }) => [id, member, signed]),
      );
      output.line();
      output.line(`Chain id    ${groupedChainId(chainId)}`);
      output.line(
        all
          ? output.colours.green('All validators have signed this genesis.')
          : output.colours.red('Not all validators have signed this genesis: do not start.'),
      );
      output.document({ holds: all, chainId, validators: rows });
      return all ? exitCodes.ok : exitCodes.unverified;
    },
  );
}

function judge(
  text: string,
  { validators }: Genesis,
  chainId: ChainId,
): { readonly validator: string | undefined; readonly outcome: string } {
  const [, id, chain, hex] = /^(\S+) ([0-9a-f]{64}) ([0-9a-f]{128})\s*$/.exec(text) ?? [];
  if (id === undefined || chain === undefined || hex === undefined) {
    return { validator: undefined, outcome: 'this is no signature of a genesis.' };
  }
  const validator = validators.find((candidate) => candidate.id === id);
  if (validator === undefined)
    return { validator: undefined, outcome: `the genesis has no validator "${id}".` };
  if (chain !== toHex(chainId)) return { validator: id, outcome: `signed another genesis: ${chain}` };
  const signature = asSignature(fromHex(hex) ?? new Uint8Array(64));
  const holds = verifyZip215Natively(validator.publicKey, genesisSigningBytes(chainId), signature);
  return { validator: id, outcome: holds ? 'signed' : 'its signature does not hold' };
}

async function read(file: string): Promise<Genesis> {
  const genesis = await loadGenesis(file);
  if (!genesis.ok) throw genesis.error;
  return genesis.value;
}
