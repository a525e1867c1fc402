/** Whom a client certificate names. The TLS layer has checked that the consortium's authority issued it. */
import type { PeerCertificate } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { readIdentity, type IdentityRole } from '../network/pki/index.js';

export type CallerRole = IdentityRole;

/** Who calls. `name` is the id of the member or validator, or the name of the operator. */
export interface Caller {
  readonly role: CallerRole;
  readonly name: string;
}

const known = new LRUCache<string, { readonly network: string; readonly caller: Caller }>({ max: 1024 });

/** The caller that a certificate of this network names, or undefined when it names none. */
export function identifyCaller(
  certificate: PeerCertificate | undefined,
  network: string,
): Caller | undefined {
  if (certificate === undefined) return undefined;
  let identified = known.get(certificate.fingerprint256);
  if (identified === undefined) {
    const identity = readIdentity(certificate.raw);
    if (!identity.ok) return undefined;
    const { role, id } = identity.value;
    identified = { network: identity.value.network, caller: { role, name: id } };
    known.set(certificate.fingerprint256, identified);
  }
  return identified.network === network ? identified.caller : undefined;
}
