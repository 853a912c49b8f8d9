import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, WasmletError } from '../../base/errors.ts';
import { lockFolder } from '../../base/lock.ts';
import type { Logger } from '../../base/log.ts';
import { admitPod } from './admission/pods.ts';
import { NodeProxy } from './api/node-proxy.ts';
import { loadPki } from './auth/pki.ts';
import { Tokens } from './auth/tokens.ts';
import { GarbageCollector } from './controllers/garbage.ts';
import { Housekeeping } from './controllers/housekeeping.ts';
import { NamespaceController } from './controllers/namespaces.ts';
import { seed } from './controllers/seed.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Registry } from './registry/registry.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import { startLocalServer, type LocalServer } from './server.ts';
import { Store } from './storage/store.ts';
import { versionInfo } from './version-info.ts';

export interface LocalApiOptions {
  /** Folder of its state: keys, database, kubeconfigs. Made when it is not there. */
  readonly root: string;
  /** 0: any that is free. */
  readonly port: number;
  /** The one node. */
  readonly nodeName: string;
  readonly logger: Logger;
}

/** A running API server for one machine. */
export interface LocalApi extends AsyncDisposable {
  /** 'https://127.0.0.1:6443' */
  readonly url: string;
  /** The administrator's. */
  readonly kubeconfig: string;
  /** The node's. */
  readonly nodeKubeconfig: string;
}

/**
 * Starts a small Kubernetes API server for this machine: what pods need, on loopback, for who has the certificate.
 * @throws WasmletError AlreadyExists when one runs on the folder, Unavailable when the port is taken, InvalidRecord
 */
export async function startLocalApi({ root, port, nodeName, logger }: LocalApiOptions): Promise<LocalApi> {
  await mkdir(root, { recursive: true, mode: 0o711 });
  await using stack = new AsyncDisposableStack();
  stack.use(await lockFolder(root, 'apiServer'));
  const pki = await loadPki(join(root, 'pki'), nodeName);
  const store = stack.use(new Store(join(root, 'state.db')));
  const registry = new Registry(store, (resource, object) => {
    if (resource.plural === 'pods') admitPod(store, object);
  });
  seed(registry, pki.authority.certificate);
  stack.use(new NamespaceController(registry, pki.authority.certificate, logger));
  stack.use(new GarbageCollector(registry, logger));
  stack.use(new Scheduler(registry, logger));
  stack.use(new Housekeeping(registry, logger));
  const ended = new AbortController();
  const server = stack.use(
    await listen(port, (wanted) =>
      startLocalServer({
        registry,
        tokens: new Tokens(pki.tokenKey, store),
        proxy: new NodeProxy(pki.nodeClient),
        version: versionInfo(),
        signal: ended.signal,
        pki,
        port: wanted,
        logger,
      }),
    ),
  );
  stack.defer(() => ended.abort());
  const url = `https://127.0.0.1:${server.port}`;
  const files = { kubeconfig: join(root, 'kubeconfig'), nodeKubeconfig: join(root, 'node.kubeconfig') };
  const address = { url, authority: pki.authority.certificate };
  await writeKubeconfig(files.kubeconfig, address, pki.admin);
  await writeKubeconfig(files.nodeKubeconfig, address, pki.node);
  const owned = stack.move();
  return { url, ...files, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function listen(port: number, start: (port: number) => Promise<LocalServer>): Promise<LocalServer> {
  try {
    return await start(port);
  } catch (cause) {
    if (errnoOf(cause) !== 'EADDRINUSE') throw cause;
    const message = `port ${port} of 127.0.0.1 is taken: give another one with --port, or 0 for any that is free`;
    throw new WasmletError('Unavailable', message, { cause });
  }
}
