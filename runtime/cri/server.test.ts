import { existsSync, linkSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, WasmletError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { SLEEPS } from '../test-guests.ts';
import { testFolder } from '../test-folder.ts';
import { grpcStatus } from './errors.ts';
import { listen, socketPath } from './socket.ts';
import { TestCri } from './test-cri.ts';
import { nanoseconds } from './time.ts';

test("the socket is its owner's alone, and is gone with the server; what runs goes on", async () => {
  await using cri = await TestCri.start();
  expect(statSync(cri.path).mode & 0o777).toBe(0o600);
  const { containerId } = await cri.run(SLEEPS);
  // A stream that has no end of its own must not keep the server.
  const events = cri.client.stream('getContainerEvents');
  const ended = events.next();
  await cri.stop();
  expect(existsSync(cri.path)).toBe(false);
  await ended.catch(() => undefined);
  expect(await cri.runtime.service.containerStatus(containerId)).toMatchObject({ state: 'CONTAINER_RUNNING' });
});

describe('the socket', () => {
  test.for([
    ['unix:///run/cri.sock', '/run/cri.sock'],
    ['unix:/run/cri.sock', '/run/cri.sock'],
    ['/run/cri.sock', '/run/cri.sock'],
  ] as const)('may be named %s', ([endpoint, path]) => {
    expect(socketPath(endpoint)).toBe(path);
  });

  test.for(['cri.sock', 'tcp://127.0.0.1:80', '', `/${'x'.repeat(107)}`])('may not be named %j', (endpoint) => {
    expect(() => socketPath(endpoint)).toThrow(/^criSocket/);
  });

  test('that a dead server has left is replaced', async () => {
    using folder = testFolder();
    const path = join(folder.path, 'cri.sock');
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(join(folder.path, 'bound'), () => resolve()));
    // The file stays when its name is another than the one that was bound.
    linkSync(join(folder.path, 'bound'), path);
    await new Promise((resolve) => dead.close(resolve));
    expect(existsSync(path)).toBe(true);
    await using _server = await listen(path, (socket) => socket.destroy());
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('of a living server is left alone, as is a file that is no socket', async () => {
    using folder = testFolder();
    const path = join(folder.path, 'cri.sock');
    await using _first = await listen(path, (socket) => socket.destroy());
    await expect(listen(path, () => undefined)).rejects.toMatchObject({ code: 'AlreadyExists' });
    const file = join(folder.path, 'file');
    writeFileSync(file, 'precious');
    await expect(listen(file, () => undefined)).rejects.toMatchObject({ code: 'InvalidConfig' });
  });
});

test('every error code of wasmlet has its code of gRPC', () => {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const answers = codes.map((code) => [code, status[grpcStatus(new WasmletError(code, 'x')).code]]);
  expect(Object.fromEntries(answers)).toMatchObject({
    NotFound: 'NOT_FOUND',
    DeadlineExceeded: 'DEADLINE_EXCEEDED',
    Unavailable: 'UNAVAILABLE',
    ErrImagePull: 'UNKNOWN',
  });
  expect(answers.every(([, answer]) => answer !== undefined)).toBe(true);
  expect(grpcStatus(new Error('x'))).toEqual({ code: status.UNKNOWN, details: 'x' });
});

test('times become nanoseconds without loss', () => {
  expect(nanoseconds('2026-11-21T15:08:31.834000001Z')).toBe('1795273711834000001');
  expect(nanoseconds('1970-01-01T00:00:01Z')).toBe('1000000000');
});
