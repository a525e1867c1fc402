import { Command, Option } from 'commander';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateKeyPair,
  promptPassword,
  readKeystorePublicKey,
  readPasswordFile,
  wipe,
  writeKeystore,
  writePasswordFile,
} from '../../crypto/native/index.js';
import {
  createAuthority,
  createCertificateRequest,
  issueForRequest,
  type IdentityRole,
} from '../../network/pki/index.js';
import { toHex, type PublicKey } from '../../types/index.js';
import { define, parse } from '../command.js';
import { tokenCommand } from './keys-token.js';
import { usageError } from '../command-error.js';

/** `quaestor keys`. */
export function keysCommand(): Command {
  return new Command('keys')
    .description(
      'Signing keys and certificates of an institution that joins a network: the keys are made where they are used, ' +
        'only the public key and the certificate request leave that place.',
    )
    .addCommand(generateCommand())
    .addCommand(showCommand())
    .addCommand(tokenCommand())
    .addCommand(authorityCommand())
    .addCommand(requestCommand())
    .addCommand(certifyCommand());
}

interface GenerateOptions {
  readonly out: string;
  readonly passwordFile?: string;
  readonly prompt?: boolean;
}

function generateCommand(): Command {
  const command = new Command('generate')
    .summary('make a signing key')
    .description(
      'Makes an Ed25519 key of a validator or a member: an encrypted key file (scrypt, AES-256-GCM) with mode 0600.',
    )
    .requiredOption('-o, --out <file>', 'key file to make')
    .option('--password-file <file>', 'file whose first line is the password (default: OUT.password is made)')
    .option('--prompt', 'ask for the password at the terminal, twice; no file is made for it');
  return define<GenerateOptions>(
    command,
    'quaestor keys generate --out key/validator.key',
    async ({ output }, options) => {
      const given = options.passwordFile;
      const isAsked = options.prompt === true;
      if (isAsked && given !== undefined)
        throw usageError('--prompt and --password-file exclude each other.');
      const passwordFile = isAsked ? undefined : (given ?? `${options.out.replace(/\.key$/, '')}.password`);
      const password = isAsked
        ? await newPassword(options.out)
        : given === undefined
          ? randomBytes(32).toString('base64url')
          : await passwordOf(given);
      const pair = generateKeyPair();
      const written = await writeKeystore(options.out, pair, password);
      wipe(pair.seed);
      if (!written.ok) throw written.error;
      if (given === undefined && passwordFile !== undefined) {
        const kept = await writePasswordFile(passwordFile, password);
        if (!kept.ok) throw kept.error;
      }
      output.line(`Key file       ${options.out}`);
      if (passwordFile !== undefined) output.line(`Password file  ${passwordFile}`);
      output.line(`Public key     ${toHex(pair.publicKey)}`);
      output.document({ keyFile: options.out, passwordFile, ...publicKeyDocument(pair.publicKey) });
      return undefined;
    },
  );
}

/** A new password from the terminal, typed twice. */
async function newPassword(file: string): Promise<string> {
  const password = await promptPassword(`Password of ${file}`);
  if (password === '') throw usageError('The password is empty; give one that is not.');
  if (password === (await promptPassword('The same again'))) return password;
  throw usageError('The two passwords differ; nothing was made.');
}

async function passwordOf(file: string): Promise<string> {
  const password = await readPasswordFile(file);
  if (!password.ok) throw password.error;
  return password.value;
}

function showCommand(): Command {
  const command = new Command('show')
    .summary('show the public key of a key file')
    .description('Shows the public key of a key file, for the genesis. Needs no password.')
    .argument('<file>', 'key file');
  return define<object, [string]>(
    command,
    'quaestor keys show key/validator.key',
    async ({ output }, _options, file) => {
      const publicKey = await readKeystorePublicKey(file);
      if (!publicKey.ok) throw publicKey.error;
      output.line(toHex(publicKey.value));
      output.document(publicKeyDocument(publicKey.value));
      return undefined;
    },
  );
}

function publicKeyDocument(publicKey: PublicKey): Record<string, string> {
  return { publicKey: toHex(publicKey), publicKeyBase64: Buffer.from(publicKey).toString('base64') };
}

interface IdentityOptions {
  readonly network: string;
  readonly role: IdentityRole;
  readonly id: string;
}

function identityOptions(command: Command): Command {
  return command
    .requiredOption('--network <name>', 'name of the network, as in its genesis')
    .addOption(
      new Option('--role <role>', 'what the certificate stands for')
        .choices(['validator', 'observer', 'member', 'operator', 'signer'])
        .makeOptionMandatory(),
    )
    .requiredOption(
      '--id <id>',
      'id of the validator, observer or member, of the validator that a signer serves, or name of the operator',
    );
}

function requestCommand(): Command {
  const command = identityOptions(
    new Command('request')
      .summary('make a TLS key and a certificate request')
      .description(
        'Makes the TLS key of a validator, observer, member or operator and a certificate request (PKCS #10) to send to the authority of the consortium. The key stays here.',
      ),
  ).requiredOption('-o, --out <name>', 'writes NAME-key.pem and NAME.csr.pem');
  return define<IdentityOptions & { readonly out: string }>(
    command,
    'quaestor keys request --network quaestor-devnet --role member --id bank-alba --out tls/client',
    async ({ output }, { network, role, id, out }) => {
      const { requestPem, privateKeyPem } = await createCertificateRequest({ network, role, id });
      await writeNew(`${out}-key.pem`, privateKeyPem, 0o600);
      await writeNew(`${out}.csr.pem`, requestPem, 0o644);
      output.line(`Key      ${out}-key.pem (stays here)`);
      output.line(`Request  ${out}.csr.pem (for the authority: quaestor keys certify)`);
      output.document({ key: `${out}-key.pem`, request: `${out}.csr.pem` });
      return undefined;
    },
  );
}

function authorityCommand(): Command {
  const command = new Command('authority')
    .summary('make a certificate authority')
    .description(
      'Makes the certificate authority of an institution, or of a consortium: ca.pem is handed out, ca-key.pem stays and is ' +
        'kept off-line. An authority that exists already, of whatever software, does as well.',
    )
    .requiredOption('--network <name>', 'name of the network, as in its genesis')
    .requiredOption('--owner <name>', 'whose it is, for people')
    .requiredOption('-d, --dir <folder>', 'folder to make')
    .option('--days <number>', 'days that its certificate holds', parse.integer(1, 7300), 3650);
  return define<{
    readonly network: string;
    readonly owner: string;
    readonly dir: string;
    readonly days: number;
  }>(
    command,
    'quaestor keys authority --network example-consortium --owner bank-alba --dir authority',
    async ({ output }, { network, owner, dir, days }) => {
      const authority = await createAuthority(network, { nowMs: Date.now(), days }, owner);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const place = (name: string): string => join(dir, name);
      await writeNew(place('ca-key.pem'), authority.privateKeyPem, 0o600);
      await writeNew(place('ca.pem'), authority.certificatePem, 0o644);
      output.line(`Key          ${place('ca-key.pem')} (stays here)`);
      output.line(`Certificate  ${place('ca.pem')} (for the others)`);
      output.document({ key: place('ca-key.pem'), certificate: place('ca.pem') });
      return undefined;
    },
  );
}

interface CertifyOptions extends IdentityOptions {
  readonly authority: string;
  readonly request: string;
  readonly out: string;
  readonly host: readonly string[];
  readonly days: number;
}

function certifyCommand(): Command {
  const command = identityOptions(
    new Command('certify')
      .summary('issue a certificate for a request')
      .description(
        'Issues a certificate for a request, as the authority of the consortium. Whom it names is decided here, not by the request: check first who sent it.',
      ),
  )
    .requiredOption('--authority <folder>', 'folder with ca.pem and ca-key.pem')
    .requiredOption('--request <file>', 'certificate request (PKCS #10, PEM)')
    .requiredOption('-o, --out <file>', 'certificate to write')
    .option(
      '--host <host...>',
      'hosts at which a validator or observer is reached, for clients of other software',
      [],
    )
    .option('--days <number>', 'days that the certificate holds', parse.integer(1, 3650), 825);
  return define<CertifyOptions>(
    command,
    'quaestor keys certify --authority authority --request client.csr.pem --network quaestor-devnet --role member --id bank-alba --out client.pem',
    async ({ output }, options) => {
      const { network, role, id } = options;
      if (options.host.length > 0 && (role === 'member' || role === 'operator')) {
        throw usageError('--host is for validators, observers and signers only.');
      }
      const authority = {
        certificatePem: await readFile(join(options.authority, 'ca.pem'), 'utf8'),
        privateKeyPem: await readFile(join(options.authority, 'ca-key.pem'), 'utf8'),
      };
      const certificate = await issueForRequest(
        authority,
        await readFile(options.request, 'utf8'),
        { identity: { network, role, id }, hosts: options.host },
        { nowMs: Date.now(), days: options.days },
      );
      await writeNew(options.out, certificate, 0o644);
      output.line(`Certificate  ${options.out}`);
      output.document({ certificate: options.out });
      return undefined;
    },
  );
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text, { mode, flag: 'wx' });
}
