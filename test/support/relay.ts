/**
 * Carries connections between a network namespace and the one around it, over Unix sockets, which know no namespaces.
 * As a program: `node relay.ts tcp:PORT=unix:PATH unix:PATH=tcp:PORT …`
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** 'tcp:PORT' on 127.0.0.1, or 'unix:PATH'. */
export type Endpoint = `tcp:${number}` | `unix:${string}`;

const optionsOf = (endpoint: string): { host: string; port: number } | { path: string } =>
  endpoint.startsWith('tcp:')
    ? { host: '127.0.0.1', port: Number(endpoint.slice('tcp:'.length)) }
    : { path: endpoint.slice('unix:'.length) };

/** Listens at one end and carries each connection to the other; disposed of, it listens no more and cuts all off. */
export async function relay(from: string, to: string): Promise<Disposable> {
  const ended = new AbortController();
  const { signal } = ended;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...optionsOf(to), allowHalfOpen: true });
    // One that breaks off is cut off at the other side too.
    pipeline(near, far, { signal }).catch(() => undefined);
    pipeline(far, near, { signal }).catch(() => undefined);
  });
  server.listen({ ...optionsOf(from), signal });
  await once(server, 'listening');
  return { [Symbol.dispose]: () => ended.abort() };
}

if (import.meta.main) {
  for (const pair of process.argv.slice(2)) {
    const [from = '', to = ''] = pair.split('=');
    await relay(from, to);
  }
  process.stdout.write('ready\n');
}
