/**
 * The three functions of the Reflect Metadata proposal that the container inside @peculiar/x509 needs at load time.
 * Installed only where nothing has defined them; imported before that library. Nothing else here uses them.
 */
const registry = new WeakMap<object, Map<unknown, unknown>>();

function own(key: unknown, target: object): unknown {
  return registry.get(target)?.get(key);
}

function inherited(key: unknown, target: object): unknown {
  if (registry.get(target)?.has(key) === true) return own(key, target);
  const parent = Object.getPrototypeOf(target) as object | null;
  return parent === null ? undefined : inherited(key, parent);
}

function define(key: unknown, value: unknown, target: object): void {
  let entries = registry.get(target);
  if (entries === undefined) registry.set(target, (entries = new Map()));
  entries.set(key, value);
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, { getMetadata: inherited, getOwnMetadata: own, defineMetadata: define });
}
