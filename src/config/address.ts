/** Where to listen or to connect to. */
export interface Address {
  /** Host name or IP address, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Parts of "host:port" or "[ipv6]:port"; undefined when it is none. Port 0 is allowed: any free port. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) return undefined;
  if (match?.[1] !== undefined && !host.includes(':')) return undefined;
  return { host, port };
}

/** "host:port", with an IPv6 address in brackets: what a URL and gRPC take. */
export function formatAddress(address: Address): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
