import { RealtimeClock } from '../core/clocks.ts';
import { DescriptorTable } from '../core/descriptor-table.ts';
import { EventLoop } from '../core/event-loop.ts';
import { deviceNodes } from '../core/files/devices.ts';
import { procNodes } from '../core/files/proc.ts';
import { FileTree } from '../core/files/tree.ts';
import { GuestMemory } from '../core/guest-memory.ts';
import { Signals } from '../core/signals.ts';
import { InputStream, OutputStream } from '../core/stdio.ts';
import { Network } from '../sockets/network.ts';
import { TcpSocket } from '../sockets/tcp-socket.ts';
import type { WasiContext } from '../wasi.ts';
import { DIRECTORY_RIGHTS, FDFLAG, INHERITED_RIGHTS, SOCKET_RIGHTS, STDIN_RIGHTS, STDOUT_RIGHTS } from './abi.ts';
import { closeDescriptor, type Descriptor } from './descriptor.ts';

const FIRST_AFTER_STREAMS = 3;

/** All that the functions of one guest work on. */
export interface Preview1State {
  readonly context: WasiContext;
  readonly memory: GuestMemory;
  readonly tree: FileTree;
  readonly descriptors: DescriptorTable<Descriptor>;
  readonly realtime: RealtimeClock;
  readonly eventLoop: EventLoop;
  /** Those that the guest takes itself. */
  readonly signals: Signals;
  /** Undefined for a guest that has no sockets. */
  readonly network: Network | undefined;
}

/**
 * @param inherited what another guest has open and this one has from it, by number: in place of the standard streams
 * and of sockets that listen from the start
 * @throws WasmletError NotFound, FailedPrecondition: a folder of the context cannot be opened
 */
export function createState(context: WasiContext, inherited?: ReadonlyMap<number, Descriptor>): Preview1State {
  const tree = new FileTree(context.root, context.mounts, context.readonlyRoot);
  if (context.systemFiles === true) {
    tree.show('dev', deviceNodes());
    tree.show('proc', procNodes(context));
  }
  const descriptors = new DescriptorTable<Descriptor>(context.maxDescriptors);
  const network = context.network && new Network(context.network);
  if (inherited === undefined) openFirst(context, descriptors, network);
  for (const [fd, descriptor] of inherited ?? []) {
    descriptors.place(fd, descriptor);
    descriptor.duplicates = (descriptor.duplicates ?? 0) + 1;
  }
  descriptors.place(firstPreopen(descriptors), {
    object: tree.root,
    rightsBase: DIRECTORY_RIGHTS,
    rightsInheriting: INHERITED_RIGHTS,
    flags: 0,
    preopen: '/',
  });
  return {
    context,
    memory: new GuestMemory(context.maxTransfer),
    tree,
    descriptors,
    network,
    realtime: new RealtimeClock(),
    eventLoop: new EventLoop(),
    signals: new Signals(context.signals),
  };
}

/** The standard streams, and behind them the sockets that listen from the start. */
function openFirst(context: WasiContext, descriptors: DescriptorTable<Descriptor>, network: Network | undefined): void {
  const stream = (object: Descriptor['object'], rights: number): void => {
    descriptors.insert({ object, rightsBase: rights, rightsInheriting: 0, flags: 0 });
  };
  stream(new InputStream(context.stdin, context.tty), STDIN_RIGHTS);
  stream(new OutputStream(context.stdout, context.tty), STDOUT_RIGHTS);
  stream(new OutputStream(context.stderr, context.tty), STDOUT_RIGHTS);
  // First, as wasmtime has them: what takes LISTEN_FDS from its environment counts from 3.
  for (const { port } of network?.settings.listeners ?? []) {
    if (network === undefined) break;
    const object = TcpSocket.declared(network, port);
    const rights = { rightsBase: SOCKET_RIGHTS, rightsInheriting: SOCKET_RIGHTS };
    // Non-blocking, as wasmtime's are: Go puts a listener into its poller only then, and would wait in accept for ever.
    object.nonblocking = true;
    descriptors.insert({ object, ...rights, flags: FDFLAG.NONBLOCK, declared: true });
  }
}

/** Programs look for directories that are open from the start at 3, and go on from there. */
function firstPreopen(descriptors: DescriptorTable<Descriptor>): number {
  let fd = FIRST_AFTER_STREAMS;
  while (descriptors.has(fd)) fd += 1;
  return fd;
}

/** Closes every descriptor and mount, and ends what waits. */
export function disposeState(state: Preview1State): void {
  state.eventLoop[Symbol.dispose]();
  state.signals[Symbol.dispose]();
  for (const descriptor of state.descriptors) closeDescriptor(descriptor);
  state.tree[Symbol.dispose]();
}
