/** Fields that several configuration files have. */
import { asChainId, asPublicKey, fromHex } from '../types/index.js';
import { parseAddress } from './address.js';
import { field } from './schema.js';

export const filePath = () => field.text(/^[^\0]{1,1024}$/, 'the path of a file');

export const listenAddress = () =>
  field.parsed(parseAddress, 'an address "host:port" with a port from 0 to 65535 (0: any free one)');

export const dialAddress = () =>
  field.parsed((text) => {
    const address = parseAddress(text);
    return address !== undefined && address.port > 0 ? address : undefined;
  }, 'an address "host:port" with a port from 1 to 65535');

export const publicKey = () =>
  field.parsed((text) => {
    const bytes = fromHex(text);
    return bytes?.length === 32 ? asPublicKey(bytes) : undefined;
  }, 'a public key: 64 hexadecimal digits');

export const chainId = () =>
  field.parsed((text) => {
    const bytes = fromHex(text.replaceAll(' ', ''));
    return bytes?.length === 32 ? asChainId(bytes) : undefined;
  }, 'a chain id: 64 hexadecimal digits, in quotes; spaces may group them');

export const certificates = () =>
  field.mapping({
    /** Certificates of the authorities that the other side's certificate must chain to, PEM. */
    ca: filePath(),
    /** Own certificate chain, PEM. */
    cert: filePath(),
    /** Private key of the own certificate, PEM. */
    key: filePath(),
  });
