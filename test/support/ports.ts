import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

/** A TCP port that is free on loopback at this moment, for a server that cannot be given port 0. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
