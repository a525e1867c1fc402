import { Command } from 'commander';
import { generatePkcs11Key, readPkcs11PublicKey } from '../../crypto/native/index.js';
import { toHex, type PublicKey } from '../../types/index.js';
import { define } from '../command.js';
import type { Output } from '../output.js';

interface TokenOptions {
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  readonly pinFile: string;
}

/** `quaestor keys token`. */
export function tokenCommand(): Command {
  return new Command('token')
    .summary('keys on a hardware module (PKCS #11)')
    .description(
      'Keys on a hardware security module, by PKCS #11. The private key is made there and never leaves it.',
    )
    .addCommand(
      define<TokenOptions>(
        tokenOptions(new Command('generate').summary('make a signing key on a token')),
        'quaestor keys token generate --module /usr/lib/softhsm/libsofthsm2.so --token-label bank --key-label validator-1 --pin-file pin',
        async ({ output }, options) => {
          show(output, await generatePkcs11Key(options));
          return undefined;
        },
      ),
    )
    .addCommand(
      define<TokenOptions>(
        tokenOptions(new Command('show').summary('show the public key of a key on a token')),
        'quaestor keys token show --module /usr/lib/softhsm/libsofthsm2.so --token-label bank --key-label validator-1 --pin-file pin',
        async ({ output }, options) => {
          show(output, await readPkcs11PublicKey(options));
          return undefined;
        },
      ),
    );
}

function tokenOptions(command: Command): Command {
  return command
    .requiredOption('--module <file>', "the vendor's PKCS #11 library")
    .requiredOption('--token-label <label>', 'label of the token')
    .requiredOption('--key-label <label>', 'label of the key on it')
    .requiredOption('--pin-file <file>', "file whose first line is the PIN of the token's user");
}

function show(output: Output, publicKey: PublicKey): void {
  output.line(`Public key  ${toHex(publicKey)}`);
  output.document({
    publicKey: toHex(publicKey),
    publicKeyBase64: Buffer.from(publicKey).toString('base64'),
  });
}
