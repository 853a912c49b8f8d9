import { readFileSync } from 'node:fs';
import { engineFor } from '../../engine/index.ts';
import type { CompiledModule } from '../../engine/engine.ts';
import { tell } from '../channel.ts';
import { MAX_DESCRIPTORS } from '../../../wasi/core/descriptor-table.ts';
import { asHost, takeIdentity } from '../guest-identity.ts';
import { HOST_PROTOCOL_VERSION } from '../protocol.ts';
import type { HostShare } from '../protocol.ts';
import { timeNow } from '../timestamp.ts';
import { Garbage } from './garbage.ts';
import { SharedHost } from './host.ts';
import { ModuleCache } from './module-cache.ts';
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

/** Descriptors that are the host's own: libraries, its sockets, one log and some folders for each guest. */
const OWN_DESCRIPTORS = 64;
const OWN_PER_GUEST = 16;
const LEAST_PER_GUEST = 64;

/** How many descriptors each guest may have open, so that all of them together stay within those of the process. */
function descriptorsPerGuest(guests: number): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  const each = Math.floor((Number(soft) - OWN_DESCRIPTORS) / guests) - OWN_PER_GUEST;
  return Math.min(Math.max(each, LEAST_PER_GUEST), MAX_DESCRIPTORS);
}

/** The image store is the node's, not the guests'. */
const compileFile = (path: string): Promise<CompiledModule> =>
  engineFor('v8').compile(asHost(() => readFileSync(path)));

/**
 * A host process that many containers share: its guests are of one pod namespace, and have what belongs to a process in
 * common: the identity and the network namespace.
 * @returns when nothing is left to do
 */
export async function runSharedHost({ title, identity, maxContainers }: HostShare): Promise<number> {
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
  const maxDescriptors = descriptorsPerGuest(maxContainers);
  const compile = (path: string) => modules.get(path);
  const garbage = new Garbage();
  const host = new SharedHost({ scheduler, preemption, maxDescriptors, compile, garbage }, title);
  if (identity !== undefined) takeIdentity(identity);
  const ended = host.serve();
  tell({ v: HOST_PROTOCOL_VERSION, type: 'started', startedAt: timeNow() });
  await ended;
  return 0;
}
