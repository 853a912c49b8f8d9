import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { selfSigned } from '../../agent/server/tls/serving-certificate.ts';
import type { Stage } from './stage.ts';

/** A node that is nothing but a server which answers every request with the same text: what log reading costs without us. */
export interface BareNode extends AsyncDisposable {
  /** A pod on it, for kubectl logs. */
  readonly pod: string;
}

/** Registers the node and a pod that seems to run on it. */
export async function startBareNode(stage: Stage, image: string, chunk: Buffer, chunks: number): Promise<BareNode> {
  const nodeName = 'bare';
  const server = createServer(
    await selfSigned({ nodeName, addresses: ['127.0.0.1'] }, new Date()),
    (_request, response) => {
      const send = async () => {
        for (let count = 0; count < chunks; count++) {
          if (!response.write(chunk)) await once(response, 'drain');
        }
        response.end();
      };
      // A reader that goes away ends the answer with it.
      send().catch(() => response.destroy());
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await stage.request('POST', '/api/v1/nodes', { metadata: { name: nodeName }, spec: { unschedulable: true } });
  await stage.request('PUT', `/api/v1/nodes/${nodeName}/status`, {
    metadata: { name: nodeName },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  const pod = 'bare-log';
  await stage.create(stage.pod({ name: pod, image, spec: { nodeName } }));
  return {
    pod,
    [Symbol.asyncDispose]: async () => {
      await stage.deleteNow(pod);
      await stage.request('DELETE', `/api/v1/nodes/${nodeName}`);
      server.close();
      server.closeAllConnections();
    },
  };
}
