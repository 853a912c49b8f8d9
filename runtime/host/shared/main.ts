import { readFileSync } from 'node:fs';
import { v8Engine } from '../../engine/v8/engine.ts';
import { rewrittenLineLocator } from '../../engine/v8/source-lines.ts';
import { tell } from '../channel.ts';
import { asHost, takeIdentity } from '../guest-identity.ts';
import { HOST_PROTOCOL_VERSION } from '../protocol.ts';
import type { HostShare } from '../protocol.ts';
import { timeNow } from '../timestamp.ts';
import { Garbage } from './garbage.ts';
import { SharedHost } from './host.ts';
import { ModuleCache } from './module-cache.ts';
import type { Compile } from './module-cache.ts';
import { Preemption } from './preemption.ts';
import { Scheduler } from './scheduler.ts';
import { Ticker } from './ticker.ts';

const NS_PER_US = 1000;

/** CPU time of the calling thread, in nanoseconds. */
function threadCpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * NS_PER_US;
}

function later(callback: () => void, milliseconds: number): Disposable {
  const timer = setTimeout(callback, Math.ceil(milliseconds));
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** The image store is the node's, not the guests'. */
const read = (path: string): Uint8Array<ArrayBuffer> => asHost(() => readFileSync(path));

const compileFile: Compile = (path, original) =>
  v8Engine.compile(
    read(path),
    original === undefined
      ? () => new Map()
      : rewrittenLineLocator(() => ({ rewritten: read(path), original: read(original) })),
  );

/**
 * A host process that many containers share: its guests are of one pod namespace, and have what belongs to a process in
 * common: the identity and the network namespace.
 * @returns when nothing is left to do
 */
export async function runSharedHost({ title, identity, maxDescriptors }: HostShare): Promise<number> {
  using ticker = new Ticker();
  const preemption = new Preemption(ticker);
  const scheduler = new Scheduler({
    cpuTime: threadCpuTime,
    now: () => performance.now(),
    soon: (callback) => void setImmediate(callback),
    later,
    clock: preemption.clock,
  });
  const modules = new ModuleCache(compileFile);
  const compile: Compile = (path, original) => modules.get(path, original);
  const garbage = new Garbage();
  const host = new SharedHost({ scheduler, preemption, maxDescriptors, compile, garbage }, title);
  if (identity !== undefined) takeIdentity(identity);
  const ended = host.serve();
  tell({ v: HOST_PROTOCOL_VERSION, type: 'started', startedAt: timeNow() });
  await ended;
  return 0;
}
