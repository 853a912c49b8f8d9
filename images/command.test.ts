import { expect, test } from 'vitest';
import { resolveCommand } from './command.ts';
import type { Image } from './service.ts';

function image(entrypoint: readonly string[], cmd: readonly string[], module?: string) {
  return {
    id: 'sha256:1',
    repoTags: ['ghcr.io/org/hello:1'],
    repoDigests: ['ghcr.io/org/hello@sha256:2'],
    config: { entrypoint, cmd, env: [], workingDir: '', user: '', labels: {} },
    ...(module === undefined ? {} : { module }),
  } satisfies Partial<Image>;
}

// The table of "Define a Command and Arguments for a Container", and CRI's words on it.
test.each([
  ['nothing from the pod', [], [], ['/e', 'c']],
  ['args', [], ['a'], ['/e', 'a']],
  ['command', ['/p'], [], ['/p']],
  ['command and args', ['/p'], ['a'], ['/p', 'a']],
])('%s over an entrypoint and a cmd', (_name, command, args, expected) => {
  expect(resolveCommand(image(['/e'], ['c']), command, args)).toEqual(expected);
});

test('an image with a cmd alone runs it', () => {
  expect(resolveCommand(image([], ['/c', 'x']), [], [])).toEqual(['/c', 'x']);
});

test('a bare artifact is called by its repository', () => {
  expect(resolveCommand(image([], [], '/m'), [], [])).toEqual(['hello.wasm']);
  expect(resolveCommand(image([], [], '/m'), [], ['-v'])).toEqual(['hello.wasm', '-v']);
  expect(resolveCommand({ ...image([], [], '/m'), repoTags: [] }, [], [])).toEqual(['hello.wasm']);
  expect(resolveCommand({ ...image([], [], '/m'), repoTags: ['localhost:5000/x.wasm:1'] }, [], [])).toEqual(['x.wasm']);
});

test('an artifact of several names is called by the one that the pod uses', () => {
  expect(resolveCommand(image([], [], '/m'), [], [], 'localhost:5000/other')).toEqual(['other.wasm']);
});

test('an image with files that names no program says what to set', () => {
  expect(() => resolveCommand(image([], []), [], [])).toThrow(
    "no command specified: image ghcr.io/org/hello:1 names no entrypoint; set the container's command to the path of the module in the image",
  );
});
