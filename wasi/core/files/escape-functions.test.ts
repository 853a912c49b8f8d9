import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { INHERITED_RIGHTS, OFLAG } from '../../preview1/abi.ts';
import { Sandbox, TestGuest } from '../../preview1/test-guest.ts';

/** Every function that takes a path, over every kind of link that leads to a folder outside. */

const SECRET = 'outside: not for the guest';
const PATH2 = 8192;

let sandbox: Sandbox;
let guest: TestGuest;
let outside: string;
let secretBefore: bigint;

beforeEach(() => {
  sandbox = new Sandbox();
  const root = sandbox.folder('root');
  outside = sandbox.folder('outside');
  writeFileSync(join(outside, 'secret'), SECRET);
  mkdirSync(join(outside, 'folder'));
  writeFileSync(join(root, 'mine'), 'mine');
  mkdirSync(join(root, 'deep/er'), { recursive: true });
  const volume = sandbox.folder('volume');
  guest = new TestGuest({ root, mounts: [{ guestPath: '/vol', hostPath: volume, readonly: false }] });
  symlinkSync(outside, join(root, 'absolute'));
  symlinkSync('../outside', join(root, 'relative'));
  symlinkSync('absolute', join(root, 'chained'));
  symlinkSync('er/../../../outside', join(root, 'deep/winding'));
  symlinkSync(outside, join(volume, 'neighbours'));
  symlinkSync(`/proc/self/root${outside}`, join(root, 'by-proc'));
  secretBefore = statSync(join(outside, 'secret'), { bigint: true }).mtimeNs;
});

afterEach(() => {
  const secret = join(outside, 'secret');
  expect(readFileSync(secret, 'utf8')).toBe(SECRET);
  expect(statSync(secret, { bigint: true }).mtimeNs).toBe(secretBefore);
  expect(statSync(secret).nlink).toBe(1);
  expect(readdirSync(outside).sort()).toEqual(['folder', 'secret']);
  expect(readdirSync(join(outside, 'folder'))).toEqual([]);
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

const FUNCTIONS: [string, (guest: TestGuest, link: string) => unknown][] = [
  ['path_open to read', (g, link) => g.readFile(`${link}/secret`)],
  ['path_open to write', (g, link) => g.open(`${link}/secret`, { rights: INHERITED_RIGHTS })],
  ['path_open to create', (g, link) => g.create(`${link}/new`, 'x')],
  ['path_open of the folder', (g, link) => g.open(link, { oflags: OFLAG.DIRECTORY })],
  ['path_filestat_get', (g, link) => g.stat(`${link}/secret`)],
  [
    'path_filestat_set_times',
    (g, link) => g.call('path_filestat_set_times', 3, 1, ...g.put(`${link}/secret`), 1n, 1n, 5),
  ],
  ['path_create_directory', (g, link) => g.path('path_create_directory', `${link}/new`)],
  ['path_remove_directory', (g, link) => g.path('path_remove_directory', `${link}/folder`)],
  ['path_unlink_file', (g, link) => g.path('path_unlink_file', `${link}/secret`)],
  ['path_rename out of it', (g, link) => g.rename(`${link}/secret`, 'stolen')],
  ['path_rename into it', (g, link) => g.rename('mine', `${link}/secret`)],
  ['path_link of what is in it', (g, link) => g.link(`${link}/secret`, 'stolen')],
  ['path_link into it', (g, link) => g.link('mine', `${link}/new`)],
  ['path_symlink into it', (g, link) => g.symlink('mine', `${link}/new`)],
  ['path_readlink', (g, link) => g.call('path_readlink', 3, ...g.put(`${link}/secret`), PATH2, 100, 512)],
  ['path_chmod', (g, link) => g.call('path_chmod', 3, 1, ...g.put(`${link}/secret`), 0)],
  ['path_chown', (g, link) => g.call('path_chown', 3, 1, ...g.put(`${link}/secret`), 1, 1)],
  ['path_access', (g, link) => g.call('path_access', 3, 1, ...g.put(`${link}/secret`), 4)],
];
const LINKS = ['absolute', 'relative', 'chained', 'deep/winding', 'vol/neighbours', 'by-proc'];

describe.each(FUNCTIONS)('%s does not lead out', (_name, attempt) => {
  test.each(LINKS)('by the link %s', (link) => {
    expect(attempt(guest, link)).toBe('ENOENT');
  });
});

/** Lets `swap` be a folder, and a link to the outside, in turn, as fast as it can, until told to stop. */
const SWAPPER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const fs = require('node:fs');
  const { folder, aside, outside, stop } = workerData;
  parentPort.postMessage('swapping');
  while (Atomics.load(stop, 0) === 0) {
    fs.renameSync(folder, aside);
    fs.symlinkSync(outside, folder);
    fs.unlinkSync(folder);
    fs.renameSync(aside, folder);
  }
`;

/** Milliseconds; WASMLET_RACE_MS=60000 makes it a minute. */
const RACE_MS = Number(process.env['WASMLET_RACE_MS'] ?? 2000);

test(
  'no function gets through a directory that a neighbour swaps for a link all the time',
  { timeout: RACE_MS + 30_000 },
  async () => {
    const volume = join(sandbox.path, 'volume');
    const folder = sandbox.folder('volume/swap');
    writeFileSync(join(folder, 'secret'), 'inside');
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const swapper = new Worker(SWAPPER, {
      eval: true,
      workerData: { folder, aside: join(volume, 'aside'), outside, stop },
    });
    const results = new Set<string>();
    let rounds = 0;
    try {
      await once(swapper, 'message');
      for (const end = performance.now() + RACE_MS; performance.now() < end; rounds++) {
        results.add(guest.readFile('vol/swap/secret'));
        const [, attempt] = FUNCTIONS[rounds % FUNCTIONS.length] ?? FUNCTIONS[0]!;
        const result = attempt(guest, 'vol/swap');
        if (typeof result === 'number') guest.call('fd_close', result);
        guest.path('path_unlink_file', 'vol/swap/new');
        guest.path('path_remove_directory', 'vol/swap/new');
        guest.path('path_unlink_file', 'stolen');
        guest.create('vol/swap/secret', 'inside');
      }
    } finally {
      Atomics.store(stop, 0, 1);
      await once(swapper, 'exit');
    }
    expect(rounds).toBeGreaterThan(100);
    const allowed = ['inside', '', 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'];
    expect([...results].filter((result) => !allowed.includes(result))).toEqual([]);
  },
);
