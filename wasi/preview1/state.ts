import { RealtimeClock } from '../core/clocks.ts';
import { DescriptorTable } from '../core/descriptor-table.ts';
import { EventLoop } from '../core/event-loop.ts';
import { FileTree } from '../core/files/tree.ts';
import { GuestMemory } from '../core/guest-memory.ts';
import type { Signals } from '../core/signals.ts';
import { InputStream, OutputStream } from '../core/stdio.ts';
import type { WasiContext } from '../wasi.ts';
import { DIRECTORY_RIGHTS, INHERITED_RIGHTS, STDIN_RIGHTS, STDOUT_RIGHTS } from './abi.ts';
import { closeDescriptor, type Descriptor } from './descriptor.ts';

/** All that the functions of one guest work on. */
export interface Preview1State {
  readonly context: WasiContext;
  readonly memory: GuestMemory;
  readonly tree: FileTree;
  readonly descriptors: DescriptorTable<Descriptor>;
  readonly realtime: RealtimeClock;
  readonly eventLoop: EventLoop;
  /** Set while the guest takes signals itself. */
  signals?: Signals;
}

/** @throws WasmletError NotFound, FailedPrecondition: a folder of the context cannot be opened */
export function createState(context: WasiContext): Preview1State {
  const tree = new FileTree(context.root, context.mounts, context.readonlyRoot);
  const descriptors = new DescriptorTable<Descriptor>();
  const stream = (object: Descriptor['object'], rights: number): void => {
    descriptors.insert({ object, rightsBase: rights, rightsInheriting: 0, flags: 0 });
  };
  stream(new InputStream(context.stdin, context.tty), STDIN_RIGHTS);
  stream(new OutputStream(context.stdout, context.tty), STDOUT_RIGHTS);
  stream(new OutputStream(context.stderr, context.tty), STDOUT_RIGHTS);
  descriptors.insert({
    object: tree.root,
    rightsBase: DIRECTORY_RIGHTS,
    rightsInheriting: INHERITED_RIGHTS,
    flags: 0,
    preopen: '/',
  });
  const memory = new GuestMemory();
  return { context, memory, tree, descriptors, realtime: new RealtimeClock(), eventLoop: new EventLoop() };
}

/** Closes every descriptor and mount, and ends what waits. */
export function disposeState(state: Preview1State): void {
  state.eventLoop[Symbol.dispose]();
  state.signals?.[Symbol.dispose]();
  for (const descriptor of state.descriptors) closeDescriptor(descriptor);
  state.tree[Symbol.dispose]();
}
