/** A hash as the key of a map: one character a byte. Shorter to make than hexadecimal; not for people. */
export function idName(id: Uint8Array): string {
  return String.fromCharCode(...id);
}
