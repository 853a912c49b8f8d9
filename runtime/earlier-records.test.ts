import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../base/log.ts';
import { bootId, identityOf } from '../base/process.ts';
import type { ProcessIdentity } from '../base/process.ts';
import { connectRuntime } from './client.ts';
import type { RuntimeService } from './service.ts';
import { runSupervisor } from './supervisor/run.ts';
import { testFolder } from './test-folder.ts';
import { until } from './test-runtime.ts';

/**
 * What earlier releases have left on disk, as they wrote it, with placeholders for what differs from machine to machine.
 * A folder here is never changed: a release that writes records otherwise gets one of its own.
 */
const RECORDS = join(import.meta.dirname, 'test-records');
const SANDBOX = '5'.repeat(64);
const CONTAINER = 'c'.repeat(64);
const HANDLERS = { handlers: { wasm: { engine: 'v8', isolation: 'process' } }, defaultHandler: 'wasm' } as const;

/** A process that stands for a host which the earlier release has started. */
interface StandIn extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  readonly ended: Promise<unknown>;
}

function standIn(): StandIn {
  const child = spawn('sleep', ['3600'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  return {
    identity: identityOf(child.pid ?? 0),
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

interface Left {
  readonly release: string;
  /** Which of the records there are. */
  readonly names: readonly ('sandbox' | 'network' | 'container' | 'state' | 'exit' | 'command')[];
  readonly boot?: string;
  readonly host?: ProcessIdentity;
  readonly command?: ProcessIdentity;
}

const NOBODY: ProcessIdentity = { pid: 999_999_999, startTime: '1', bootId: '' };

/** A node's folder as a release has left it, and a supervisor of today on it. */
class EarlierNode implements AsyncDisposable {
  readonly folder = testFolder();
  readonly root = join(this.folder.path, 'r');
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #service: RuntimeService | undefined;

  static async start(left: Left): Promise<EarlierNode> {
    const node = new EarlierNode();
    node.#layOut(left);
    const ready = Promise.withResolvers<undefined>();
    const socket = join(node.root, 'runtime.sock');
    const options = { root: node.root, socket, ...HANDLERS, logger: silentLogger };
    node.#running = runSupervisor({ ...options, poolSize: 0 }, node.#ended.signal, () => ready.resolve(undefined));
    await Promise.race([ready.promise, node.#running]);
    node.#service = await connectRuntime({ ...options, spawn: false });
    return node;
  }

  get service(): RuntimeService {
    if (!this.#service) throw new Error('not started');
    return this.#service;
  }

  get sandboxFolder(): string {
    return join(this.root, 'pods/default/8d03eb2f-8a37-45df-a7dd-e45db255c30b/runtime', SANDBOX);
  }

  /** Where plugins are, and what they were called for. */
  get plugins(): string {
    return join(this.folder.path, 'bin');
  }

  #layOut({ release, names, boot = bootId(), host = NOBODY, command = NOBODY }: Left): void {
    const container = join(this.sandboxFolder, 'containers', CONTAINER);
    mkdirSync(join(container, 'commands'), { recursive: true });
    mkdirSync(this.plugins);
    for (const name of ['bridge', 'loopback']) {
      const script = `#!/bin/sh\necho "${name} $CNI_COMMAND $CNI_CONTAINERID" >> ${this.plugins}/calls\n`;
      writeFileSync(join(this.plugins, name), script, { mode: 0o755 });
    }
    const paths = {
      sandbox: join(this.sandboxFolder, 'sandbox.json'),
      network: join(this.sandboxFolder, 'network.json'),
      container: join(container, 'config.json'),
      state: join(container, 'state.json'),
      exit: join(container, 'exit.json'),
      command: join(container, 'commands/2f1c04f87fbc9f0d.json'),
    };
    for (const name of names) {
      const text = readFileSync(join(RECORDS, release, `${name}.json`), 'utf8')
        .replaceAll('@ROOT@', this.root)
        .replaceAll('@BIN@', this.plugins)
        .replaceAll('@BOOT_ID@', boot)
        .replaceAll('"@PID@"', String(host.pid))
        .replaceAll('@START_TIME@', host.startTime)
        .replaceAll('"@COMMAND_PID@"', String(command.pid))
        .replaceAll('@COMMAND_START_TIME@', command.startTime);
      writeFileSync(paths[name], text);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
    this.#ended.abort();
    await this.#running;
    this.folder[Symbol.dispose]();
  }
}

describe.each(readdirSync(RECORDS))('what release %s has left', (release) => {
  test('a container that runs is adopted and watched, the command in it is ended', async () => {
    await using host = standIn();
    await using command = standIn();
    const names = ['sandbox', 'container', 'state', 'command'] as const;
    await using node = await EarlierNode.start({ release, names, host: host.identity, command: command.identity });
    expect(await node.service.podSandboxStatus(SANDBOX)).toMatchObject({
      state: 'SANDBOX_READY',
      metadata: { name: 'web', namespace: 'default', attempt: 0 },
      createdAt: '2026-11-21T17:31:38.521651855Z',
      runtimeHandler: 'wasm',
    });
    expect(await node.service.containerStatus(CONTAINER)).toMatchObject({
      state: 'CONTAINER_RUNNING',
      startedAt: '2026-11-21T17:31:38.917155517Z',
      image: { userSpecifiedImage: 'registry.example/web:1' },
      annotations: { 'io.kubernetes.container.hash': '6ab29a18' },
      logPath: join(node.root, 'log/pods/default_web_8d03eb2f-8a37-45df-a7dd-e45db255c30b/web/0.log'),
    });
    await command.ended;
    await node.service.stopContainer(CONTAINER, 0);
    expect(await node.service.containerStatus(CONTAINER)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  test('an exit that a host has noted is told as it was', async () => {
    const names = ['sandbox', 'container', 'state', 'exit'] as const;
    await using node = await EarlierNode.start({ release, names });
    expect(await node.service.containerStatus(CONTAINER)).toMatchObject({
      state: 'CONTAINER_EXITED',
      exitCode: 7,
      reason: 'Error',
      startedAt: '2026-11-21T17:31:38.917155517Z',
      finishedAt: '2026-11-21T17:31:52.917155517Z',
    });
    await node.service.removePodSandbox(SANDBOX);
    expect(readdirSync(join(node.root, 'pods'))).toEqual([]);
  });

  test('a network of an earlier boot is given back by the plugins that made it, and all is removed', async () => {
    const names = ['sandbox', 'network', 'container', 'state'] as const;
    await using node = await EarlierNode.start({ release, names, boot: 'an-earlier-one' });
    expect(await node.service.podSandboxStatus(SANDBOX)).toMatchObject({ state: 'SANDBOX_NOTREADY' });
    expect(await node.service.containerStatus(CONTAINER)).toMatchObject({ reason: 'ContainerStatusUnknown' });
    const calls = join(node.plugins, 'calls');
    await until(() => readdirSync(node.plugins).includes('calls') && readFileSync(calls, 'utf8').includes('loopback'));
    expect(readFileSync(calls, 'utf8')).toBe(`bridge DEL ${SANDBOX}\nloopback DEL ${SANDBOX}\n`);
    await node.service.removePodSandbox(SANDBOX);
    expect(readdirSync(join(node.root, 'pods'))).toEqual([]);
  });
});
