/**
 * A machine for a run: a network namespace with an address of its own, in which everything runs (control plane,
 * registry, suite, agents), so that pods have a network by CNI and nothing of the real machine's is touched.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WasmletError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { insideNamespace } from '../../runtime/sandbox/network/namespace.ts';
import { TestNetwork, whyNoHostPorts } from '../../runtime/test-network.ts';
import { standInsFor } from './once.ts';
import type { SpecResult } from './results.ts';
import type { RunContext, RunOptions } from './run.ts';
import type { PodNetwork } from './stage.ts';
import { buildStageTools } from './stage.ts';

/** What the program on the machine is given, as JSON on its standard input, which stays open as long as it is wanted. */
export interface MachineRequest {
  readonly options: RunOptions;
  readonly podNetwork: PodNetwork;
}

/** A line of what it says on its standard output. */
export type MachineLine =
  | { readonly report: string }
  | { readonly specs: readonly SpecResult[] }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string } };

/** For documentation (RFC 5737), so nobody's. Not loopback: the API server proxies to no loopback address. */
const NODE_ADDRESS = '192.0.2.2/24';
const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } };

/**
 * As `runOnce`, on a machine of its own.
 * @throws as `runOnce`; Internal when the program there ends without a word
 */
export async function runOnMachine(options: RunOptions, context: RunContext): Promise<SpecResult[]> {
  // Here, where downloads are possible; there they come from the cache.
  await buildStageTools(context);
  await standInsFor(options);
  await using network = await TestNetwork.create('ipv4', whyNoHostPorts() === undefined ? [PORTMAP] : []);
  await network.run('ip', 'link', 'add', 'node0', 'type', 'bridge');
  await network.run('ip', 'address', 'add', NODE_ADDRESS, 'dev', 'node0');
  await network.run('ip', 'link', 'set', 'node0', 'up');
  const podNetwork = { cniConfDir: network.confDir, cniBinDir: network.binDir };
  const program = join(import.meta.dirname, 'machine-main.ts');
  const child = spawn(...insideNamespace(network.machine, process.execPath, [program]), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const stop = () => child.stdin.destroy();
  context.signal?.addEventListener('abort', stop);
  try {
    child.stdin.on('error', () => undefined);
    child.stdin.write(`${JSON.stringify({ options, podNetwork } satisfies MachineRequest)}\n`);
    return await listen(child, child.stdout, context);
  } finally {
    context.signal?.removeEventListener('abort', stop);
    stop();
  }
}

async function listen(child: ChildProcess, output: NodeJS.ReadableStream, context: RunContext): Promise<SpecResult[]> {
  const ended = once(child, 'close');
  let specs: readonly SpecResult[] | undefined;
  let failure: WasmletError | undefined;
  for await (const text of createInterface({ input: output })) {
    const line = JSON.parse(text) as MachineLine;
    if ('report' in line) context.report(line.report);
    else if ('specs' in line) specs = line.specs;
    else failure = new WasmletError(line.failed.code, line.failed.message);
  }
  await ended;
  if (failure) throw failure;
  if (specs) return [...specs];
  throw new WasmletError('Internal', `the run ended without a result (${child.exitCode ?? child.signalCode})`);
}
