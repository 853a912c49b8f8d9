import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { TestRuntime } from '../../runtime/test-runtime.ts';
import { skipWithout } from '../support/missing.ts';
import { findWasmtime } from '../support/wasmtime.ts';
import {
  ARGUMENTS,
  CORPUS,
  ENV,
  EXIT_CODE,
  expected,
  peerOutcome,
  PROGRAMS,
  WORK,
  Workplace,
  type Outcome,
  type Program,
} from './corpus.ts';

/** For building a guest and its toolchain, once. */
const TIMEOUT_MS = 15 * 60_000;

/** Classes of each engine. CPython takes half a minute of CPU time in the interpreter: only where it is asked for. */
const CLASSES = ['wasm', 'wasm-interpreter'] as const;
type Class = (typeof CLASSES)[number];
const SLOW = new Set(process.env['WASMLET_TEST_SLOW_CORPUS'] === undefined ? ['work-python'] : []);

/** Runs a program in a container of ours, in folders of its own. */
async function ourOutcome(
  { runtime, runtimeClass }: { readonly runtime: TestRuntime; readonly runtimeClass: Class },
  program: Program,
  args: readonly string[],
): Promise<Outcome> {
  await using place = await Workplace.make();
  const mount = (containerPath: string, hostPath: string) => ({ containerPath, hostPath, readonly: false });
  const { container } = await runtime.run(
    '(module)',
    {
      image: { userSpecifiedImage: program.name, imageRef: 'sha256:0', module: await program.module() },
      args: [...program.command, ...args],
      envs: Object.entries(ENV).map(([key, value]) => ({ key, value })),
      mounts: [mount(WORK, place.work), mount(PROGRAMS, place.programs)],
    },
    runtimeClass,
  );
  const { exitCode = NaN } = await runtime.exited(container);
  const log = await readFile((await runtime.service.containerStatus(container)).logPath, 'utf8');
  return { stdout: written(log, 'stdout'), stderr: written(log, 'stderr'), exitCode, left: await place.left() };
}

/** What went to a stream, by the log: P is a part of a line, F its end. */
function written(log: string, stream: string): string {
  return log
    .split('\n')
    .map((entry) => / (stdout|stderr) ([FP]) (.*)$/s.exec(entry))
    .filter((match) => match?.[1] === stream)
    .map((match) => `${match?.[3] ?? ''}${match?.[2] === 'F' ? '\n' : ''}`)
    .join('');
}

describe.each(CLASSES)('the corpus in the class %s beside wasmtime', (runtimeClass) => {
  for (const program of CORPUS) {
    test(`${program.name} prints, leaves and ends with the same`, { timeout: TIMEOUT_MS }, async ({ skip }) => {
      const why = await program.whyNot();
      if (why !== undefined) skipWithout(skip, why);
      if (runtimeClass === 'wasm-interpreter' && SLOW.has(program.name)) skip('WASMLET_TEST_SLOW_CORPUS is not set');
      await using runtime = await TestRuntime.start();
      const ours = (args: readonly string[]): Promise<Outcome> => ourOutcome({ runtime, runtimeClass }, program, args);
      const args = [WORK, ...ARGUMENTS];
      const outcome = await ours(args);
      const left = program.shows.includes('files') ? { 'b.txt': 'first line\nsecond line\n' } : {};
      expect(outcome).toEqual({
        stdout: expected(program),
        stderr: 'to standard error\n',
        exitCode: EXIT_CODE,
        left,
      });

      const wasmtime = await findWasmtime();
      if ('missing' in wasmtime) {
        skipWithout(skip, wasmtime.missing);
        return;
      }
      expect(outcome).toEqual(await peerOutcome(wasmtime, program, args));
      const [trap, peers] = [await ours(['trap']), await peerOutcome(wasmtime, program, ['trap'])];
      // What is said of a trap is each runtime's own.
      expect([trap.exitCode, trap.stdout, trap.left]).toEqual([peers.exitCode, peers.stdout, peers.left]);
      expect(trap.exitCode).not.toBe(0);
      expect(trap.stderr).not.toBe('');
    });
  }
});
