import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { digestOf, MODULE } from './testing/fake-registry.ts';
import { WorkerThread } from './worker-thread.ts';

/** Resolves to the next worker thread that this process starts. */
function nextWorker(): Promise<Worker> {
  const { promise, resolve } = Promise.withResolvers<Worker>();
  process.once('worker', resolve);
  return promise;
}

const never = new AbortController().signal;

test('the worker is started for work, ends when idle, and is started again', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-worker-'));
  await using thread = new WorkerThread(1);
  const path = join(folder.path, 'blob');
  await writeFile(path, MODULE);
  const input = { path, digest: digestOf(MODULE), size: MODULE.length };
  for (let round = 0; round < 2; round++) {
    const started = nextWorker();
    const done = thread.run('verify', input, never);
    const worker = await started;
    const ended = once(worker, 'exit');
    expect(await done).toEqual({ compression: 'none', content: 'core-module' });
    await ended;
  }
});

test('a worker that is ended fails what it was doing, and no later work', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-worker-'));
  await using thread = new WorkerThread(60_000);
  const path = join(folder.path, 'blob');
  const bytes = Buffer.alloc(200_000_000);
  await writeFile(path, bytes);
  const input = { path, digest: digestOf(bytes), size: bytes.length };
  const started = nextWorker();
  const lost = thread.run('verify', input, never);
  const outcome = expect(lost).rejects.toThrow('the image worker ended');
  await (await started).terminate();
  await outcome;
  expect(await thread.run('inspect', { path }, never)).toMatchObject({ compression: 'none' });
});

test('a task ends when its signal is aborted, and its file is let go', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-worker-'));
  await using thread = new WorkerThread(60_000);
  const path = join(folder.path, 'blob');
  const bytes = Buffer.alloc(200_000_000);
  await writeFile(path, bytes);
  const owner = new AbortController();
  const task = thread.run('verify', { path, digest: digestOf(MODULE), size: bytes.length }, owner.signal);
  owner.abort();
  await expect(task).rejects.toThrow(/abort/);
});
