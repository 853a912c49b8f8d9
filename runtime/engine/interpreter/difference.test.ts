import { describe, expect, test } from 'vitest';
import { randomFrom } from '../../wasm/test-random.ts';
import { webAssembly } from './api.ts';
import { randomModule } from './test-modules.ts';

/** Random programs on V8 and on the interpreter. WASMLET_FUZZ sets how many; a failure names its seed. */
const PROGRAMS = Number(process.env['WASMLET_FUZZ'] ?? 500);
const FIRST_SEED = Number(process.env['WASMLET_FUZZ_SEED'] ?? 1);

type Api = Pick<ReturnType<typeof webAssembly>, 'Module' | 'Instance'>;
interface Exports {
  readonly main: (...args: unknown[]) => unknown;
  readonly memory: { readonly buffer: ArrayBufferLike };
}

const v8 = WebAssembly as unknown as Api;

/** All that can be seen of a program: what its calls give or how they trap, its memory and its globals. */
function observe({ Module, Instance }: Api, bytes: Uint8Array<ArrayBuffer>): unknown {
  const { exports } = new Instance(new Module(bytes));
  const { main, memory } = exports as unknown as Exports;
  const calls = [
    [0, 0.5],
    [-7, -1e300],
  ].map((args) => {
    try {
      return main(...args);
    } catch (error) {
      return (error as Error).message;
    }
  });
  const globals = Object.entries(exports).flatMap(([name, one]) =>
    /^g\d/.test(name) ? [[name, (one as { value: unknown }).value]] : [],
  );
  return { calls, globals, memory: Buffer.from(memory.buffer as ArrayBuffer).toString('latin1') };
}

describe('random programs do on the interpreter what they do on V8', () => {
  test(`${PROGRAMS} from seed ${FIRST_SEED} on`, { timeout: 3_600_000 }, () => {
    let { Module, Instance } = webAssembly();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + PROGRAMS; seed++) {
      // A realm keeps all that it has made.
      if (seed % 100 === 0) ({ Module, Instance } = webAssembly());
      const bytes = randomModule(randomFrom(seed));
      expect({ seed, ...(observe({ Module, Instance }, bytes) as object) }).toEqual({
        seed,
        ...(observe(v8, bytes) as object),
      });
    }
  });
});
