const encoder = new TextEncoder();
/** Longer texts are left to the encoder. */
const maxLoopLength = 64;

/** UTF-8 of a text. Short ASCII, as ids and keys are, is copied by a loop: at half the cost of the encoder. */
export function utf8(text: string): Uint8Array {
  if (text.length > maxLoopLength) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < bytes.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 128) return encoder.encode(text);
    bytes[index] = code;
  }
  return bytes;
}
