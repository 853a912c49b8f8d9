import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGuest, whyNoGuest } from '../test/support/guests.ts';
import type { ContainerConfig } from './service.ts';
import { TestRuntime } from './test-runtime.ts';

const BUILD_MS = 300_000;
const NAMES = ['spawn', 'child-works', 'child-trap', 'child-sleep'];

const missing = await whyNoGuest('spawn-c');

describe.skipIf(missing !== undefined)(
  `programs that a guest starts${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let runtime: TestRuntime;
    let image: ContainerConfig['image'];

    beforeAll(async () => {
      runtime = await TestRuntime.start();
      const tree = join(runtime.root, '..', 'tree');
      mkdirSync(join(tree, 'bin'), { recursive: true });
      mkdirSync(join(tree, 'tmp'));
      const module = await buildGuest('spawn-c');
      for (const name of NAMES) copyFileSync(module, join(tree, 'bin', name));
      writeFileSync(join(tree, 'bin/text'), 'no module');
      image = { userSpecifiedImage: 'spawn', imageRef: 'sha256:0', tree };
    }, BUILD_MS);
    afterAll(() => runtime[Symbol.asyncDispose]());

    /** What is written by a container that starts a program. */
    async function outputOf(args: readonly string[], handler?: string): Promise<string> {
      const change = { image, args: ['/bin/spawn', ...args] };
      const { container } = await (handler === undefined
        ? runtime.run('(module)', change)
        : runtime.run('(module)', change, handler));
      await runtime.exited(container);
      return runtime.output(container);
    }

    test('have arguments, environment, descriptors and files as given, a number, and an exit code', async () => {
      expect((await outputOf(['child-works', 'argument'])).split('\n')).toEqual([
        'it wrote: child 2 of 1: argument word',
        'waited: 0',
        'it was that one, and ended with 7',
        'again: No child process',
        'after the end: 0',
        'its file: there',
        '',
      ]);
    });

    test('end by a signal that they do not take, while they wait', async () => {
      expect(await outputOf(['-k', '/bin/child-sleep'])).toContain(
        'it runs: 1\nsignalled: 0\nwaited: 0\nit was that one, and ended with 143\n',
      );
    });

    test('go on while their parent looks for their end in a loop', async () => {
      expect(await outputOf(['-p', 'child-works'])).toContain('it was that one, and ended with 7\n');
    });

    test('are not halted, and take no signal that does not exist', async () => {
      const output = await outputOf(['-h', 'child-sleep']);
      expect(output).toContain('no signal: Invalid argument\nhalted: Not supported\nsignalled: 0\nwaited: 0\n');
    });

    test('cannot be had without end, and those that were not waited for count', async () => {
      expect(await outputOf(['-m', 'child-works'])).toBe('64 started, then: Resource temporarily unavailable\n');
    });

    test('get no descriptor that there cannot be', async () => {
      expect(await outputOf(['-d', 'child-works'])).toBe('not started: Bad file descriptor\n');
    });

    test('end alone when they trap, and say why', async () => {
      const output = await outputOf(['child-trap']);
      expect(output).toContain('unreachable\n');
      expect(output).toContain('ended with 134\n');
    });

    test.for([
      ['absent', 'No such file or directory'],
      ['/bin', 'No such file or directory'],
      ['text', 'Exec format error'],
    ] as const)('%s is not started: %s', async ([name, error]) => {
      expect(await outputOf([name])).toBe(`not started: ${error}\n`);
    });

    test('are not to be had where guests share a host', async () => {
      expect(await outputOf(['child-works'], 'wasm-shared')).toBe('not started: Not supported\n');
    });
  },
);
