import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WasmletError } from '../../base/errors.ts';
import { TestAgent } from '../support/agent.ts';
import { createScratch } from '../support/watchdog.ts';
import type { Kubelet, KubeletOptions } from './kubelet.ts';
import { startKubelet } from './kubelet.ts';

/** A kubelet, and the process of `wasmlet cri` that it drives. */
export interface WasmletKubelet extends Kubelet {
  readonly cri: TestAgent;
}

export type WasmletKubeletOptions = Omit<KubeletOptions, 'criSocket' | 'folder'> & {
  /** Configuration of `wasmlet cri`, by the names of docs/reference/configuration.md. */
  readonly criConfig?: Readonly<Record<string, unknown>>;
};

const SERVED_MS = 60_000;
const POLL_MS = 50;

/**
 * Starts `wasmlet cri` and a kubelet that drives it: a node on which Kubernetes' own agent runs Wasm pods. Disposed,
 * both are gone with their processes, their files and the Node. When this process is killed, the two end too.
 * @throws as startKubelet does; WasmletError Unavailable, with its log, when `wasmlet cri` does not serve
 */
export async function startKubeletOverWasmlet(options: WasmletKubeletOptions): Promise<WasmletKubelet> {
  await using stack = new AsyncDisposableStack();
  const { folder, env } = stack.use(await createScratch('wasmlet-kubelet-'));
  const criSocket = join(folder, 'cri.sock');
  const { nodeName, criConfig } = options;
  const config = { criSocket: `unix://${criSocket}`, ...criConfig };
  const cri = stack.use(await TestAgent.start({ nodeName, subcommand: 'cri', config, env }));
  await untilServed(cri, criSocket);
  const kubelet = stack.use(await startKubelet({ ...options, criSocket, folder, env: { ...options.env, ...env } }));
  const owned = stack.move();
  return { ...kubelet, cri, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function untilServed(cri: TestAgent, socket: string): Promise<void> {
  const deadline = performance.now() + SERVED_MS;
  while (!(await exists(socket))) {
    if (!cri.isRunning || performance.now() > deadline) {
      throw new WasmletError('Unavailable', `wasmlet cri does not serve:\n${await readFile(cri.logFile, 'utf8')}`);
    }
    await delay(POLL_MS);
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
