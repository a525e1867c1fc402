/** The same array for generated types that do not say readonly; the library only reads it. */
export const mutable = <T>(items: readonly T[]): T[] => items as T[];
