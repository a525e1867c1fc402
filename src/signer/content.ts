import { tags, type SignContent } from '../codec/index.js';
import { asChainId, invariant } from '../types/index.js';

const statements = [
  ['vote', tags.vote],
  ['checkpoint', tags.checkpoint],
  ['viewChange', tags.viewChange],
  ['newView', tags.newView],
] as const;

const helloPart = 32;

/**
 * The request for what a validator signs: bytes behind one of the domain tags of its statements.
 *
 * @throws DefectError for any other bytes: a validator signs nothing else with its key.
 */
export function contentOf(message: Uint8Array): SignContent {
  for (const [kind, tag] of statements) {
    if (startsWith(message, tag)) return { kind, bytes: message.subarray(tag.length) };
  }
  invariant(
    startsWith(message, tags.hello) && message.length === tags.hello.length + 5 * helloPart,
    'a remote signer is asked for statements of the protocol only',
  );
  const part = (index: number): Uint8Array =>
    message.subarray(tags.hello.length + index * helloPart, tags.hello.length + (index + 1) * helloPart);
  return {
    kind: 'hello',
    hello: {
      chainId: asChainId(part(0)),
      nonceReceived: part(1),
      nonceSent: part(2),
      signerFingerprint: part(3),
      receiverFingerprint: part(4),
    },
  };
}

function startsWith(message: Uint8Array, tag: Uint8Array): boolean {
  return message.length > tag.length && tag.every((byte, index) => message[index] === byte);
}
