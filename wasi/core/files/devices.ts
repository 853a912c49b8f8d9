import { PosixError } from '../posix-error.ts';
import { fillRandom } from '../random.ts';
import type { VirtualContent, VirtualNode } from './virtual-file.ts';

type Device = Omit<VirtualContent, 'size'>;

const takesAll = (view: Uint8Array): number => view.length;
const nothing = (): number => 0;

function zeros(view: Uint8Array): number {
  view.fill(0);
  return view.length;
}

function random(view: Uint8Array): number {
  fillRandom(view);
  return view.length;
}

function isFull(): never {
  throw new PosixError('ENOSPC');
}

const DEVICES: Readonly<Record<string, Device>> = {
  null: { read: nothing, write: takesAll },
  zero: { read: zeros, write: takesAll },
  full: { read: zeros, write: isFull },
  random: { read: random, write: takesAll },
  urandom: { read: random, write: takesAll },
};

const STREAMS = ['stdin', 'stdout', 'stderr'];

function makeNodes(): ReadonlyMap<string, VirtualNode> {
  const nodes = new Map<string, VirtualNode>();
  for (const [name, device] of Object.entries(DEVICES)) {
    nodes.set(name, { type: 'character', open: () => ({ ...device, size: 0n }) });
  }
  nodes.set('signal', { type: 'character', signals: true });
  for (const [stream, name] of STREAMS.entries()) nodes.set(name, { type: 'character', stream });
  return nodes;
}

const NODES = makeNodes();

/**
 * What every container finds in /dev (OCI runtime specification, config-linux, default devices), by name, and our own
 * /dev/signal. None of them reaches a device of the machine.
 */
export const deviceNodes = (): ReadonlyMap<string, VirtualNode> => NODES;
