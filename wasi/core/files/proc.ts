import { randomUuid } from '../random.ts';
import type { WasiContext } from '../../wasi.ts';
import type { VirtualContent, VirtualNode } from './virtual-file.ts';

const TITLE_LENGTH = 15;
const NS_PER_CENTISECOND = 10_000_000n;

function textContent(text: string): VirtualContent {
  const bytes = Buffer.from(text);
  return {
    size: BigInt(bytes.length),
    read(view, offset) {
      if (offset >= BigInt(bytes.length)) return 0;
      const part = bytes.subarray(Number(offset), Number(offset) + view.length);
      view.set(part);
      return part.length;
    },
  };
}

/** Made anew whenever it is opened, as the kernel does it. */
const text = (make: () => string): VirtualNode => ({ type: 'file', open: () => textContent(make()) });

/** proc(5), `stat`'s second field: the program's name as far as the kernel keeps it. */
const titleOf = ({ args }: WasiContext): string => (args[0] ?? '').split('/').at(-1)?.slice(0, TITLE_LENGTH) ?? '';

function statusOf(context: WasiContext): string {
  const { uid, gid, groups } = context.identity ?? { uid: 0, gid: 0, groups: [] };
  const four = (id: number): string => Array(4).fill(id).join('\t');
  return (
    `Name:\t${titleOf(context)}\nState:\tR (running)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\nTracerPid:\t0\n` +
    `Uid:\t${four(uid)}\nGid:\t${four(gid)}\nGroups:\t${groups.join(' ')} \nThreads:\t1\nNoNewPrivs:\t1\n`
  );
}

/** In a line of fstab(5), which splits at white space. */
const escaped = (path: string): string =>
  path.replaceAll(/[\\ \t\n]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);

interface MountLine {
  readonly path: string;
  readonly type: string;
  readonly options: string;
}

function mountLines({ mounts, readonlyRoot }: WasiContext): MountLine[] {
  const mode = (readonly = false): string => (readonly ? 'ro' : 'rw');
  return [
    { path: '/', type: 'wasmlet', options: mode(readonlyRoot) },
    { path: '/proc', type: 'proc', options: 'ro' },
    { path: '/dev', type: 'devtmpfs', options: 'ro' },
    ...mounts.map(({ guestPath, readonly }) => ({ path: guestPath, type: 'wasmlet', options: mode(readonly) })),
  ];
}

const mountsOf = (context: WasiContext): string =>
  mountLines(context)
    .map(({ path, type, options }) => `${type} ${escaped(path)} ${type} ${options} 0 0\n`)
    .join('');

const mountInfoOf = (context: WasiContext): string =>
  mountLines(context)
    .map(({ path, type, options }, index) => {
      const parent = index === 0 ? 0 : 1;
      return `${index + 1} ${parent} 0:${index + 1} / ${escaped(path)} ${options} - ${type} ${type} ${options}\n`;
    })
    .join('');

const joined = (words: readonly string[]): string => words.map((word) => `${word}\0`).join('');

/**
 * What programs read of themselves in /proc, by path below it (proc(5)). Nothing of the machine shows: the guest is
 * process 1, its mounts are its volumes, and it is alone.
 */
export function procNodes(context: WasiContext): ReadonlyMap<string, VirtualNode> {
  const started = process.hrtime.bigint();
  const uptime = (): string => {
    const hundredths = (process.hrtime.bigint() - started) / NS_PER_CENTISECOND;
    return `${hundredths / 100n}.${String(hundredths % 100n).padStart(2, '0')} 0.00\n`;
  };
  const ofProcess = {
    cmdline: text(() => joined(context.args)),
    comm: text(() => `${titleOf(context)}\n`),
    environ: text(() => joined(context.env)),
    status: text(() => statusOf(context)),
    mounts: text(() => mountsOf(context)),
    mountinfo: text(() => mountInfoOf(context)),
    cgroup: text(() => '0::/\n'),
  };
  const nodes = new Map<string, VirtualNode>([
    ['mounts', ofProcess.mounts],
    ['uptime', text(uptime)],
    ['sys/kernel/hostname', text(() => `${context.hostname ?? ''}\n`)],
    ['sys/kernel/random/uuid', text(() => `${randomUuid()}\n`)],
  ]);
  for (const [name, node] of Object.entries(ofProcess))
    for (const id of ['self', '1']) nodes.set(`${id}/${name}`, node);
  return nodes;
}
