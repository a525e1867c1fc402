import { get } from 'node:http';

/** What a validator's local HTTP port says about its readiness; undefined when nothing answers there. */
export function probeReady(
  port: number,
  timeoutMs = 2000,
): Promise<{ readonly ready: boolean; readonly reasons: string } | undefined> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/readyz', timeout: timeoutMs, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ ready: response.statusCode === 200, reasons: body.trim() }));
        response.on('error', () => resolve(undefined));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}
