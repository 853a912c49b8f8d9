import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WasmletError } from '../../../base/errors.ts';
import { cached, keyOf } from '../../support/cache.ts';
import { buildRustProgram, whyNoCargo } from '../../support/cargo.ts';
import { runOrThrow } from '../../support/command.ts';
import { goVersion, whyNoGo } from '../../support/tools.ts';
import { findWasmtime } from '../../support/wasmtime.ts';

const BUILD_TIMEOUT_MS = 30 * 60_000;
const OWN = join(import.meta.dirname, 'own.ts');

/** How a program is started that runs kernels: its last argument is the module. */
interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Behind the module. */
  readonly after?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** What is compared: ourselves, and others as their registries have them. All run one kernel at a time, in one thread. */
export const ENGINES = {
  interpreter: () => Promise.resolve({ command: process.execPath, args: [OWN], after: ['interpreter'] }),
  v8: () => Promise.resolve({ command: process.execPath, args: [OWN], after: ['v8'] }),
  /** Its interpreter, not its compiler. */
  wazero: buildWazero,
  wasmi: async () => ({ command: await buildWasmi(), args: [] }),
  /** It counts fuel in its code only when it is told to. */
  'wasmi with fuel': async () => ({ command: await buildWasmi(), args: [], after: ['fuel'] }),
  /** Its compiler: Python's package has no interpreter of it. */
  wasmtime: async () => {
    const wasmtime = await findWasmtime();
    if ('missing' in wasmtime) throw new WasmletError('FailedPrecondition', wasmtime.missing);
    return { command: 'python3', args: [join(import.meta.dirname, 'peer.py')], env: wasmtime.env };
  },
} as const satisfies Record<string, () => Promise<Program>>;

export type EngineName = keyof typeof ENGINES;
export const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];

async function buildWazero(): Promise<Program> {
  const missing = await whyNoGo();
  if (missing !== undefined) throw new WasmletError('FailedPrecondition', `wazero: ${missing}`);
  const source = join(import.meta.dirname, 'wazero');
  const names = (await readdir(source)).toSorted();
  const files = await Promise.all(names.map((name) => readFile(join(source, name))));
  const folder = await cached({
    path: `tools/bench-wazero-${keyOf([(await goVersion()) ?? '', ...names, ...files])}`,
    build: async (folder) => {
      process.stderr.write('building wazero, once: about 1 min\n');
      const args = ['build', '-trimpath', '-buildvcs=false', '-o', join(folder, 'wazero'), '.'];
      await runOrThrow('go', args, {
        cwd: source,
        env: { ...process.env, GOWORK: 'off' },
        timeoutMs: BUILD_TIMEOUT_MS,
        killSignal: 'SIGINT',
      });
    },
  });
  return { command: join(folder, 'wazero'), args: [] };
}

async function buildWasmi(): Promise<string> {
  const missing = await whyNoCargo();
  if (missing !== undefined) throw new WasmletError('FailedPrecondition', `wasmi: ${missing}`);
  return await buildRustProgram({
    name: 'bench-wasmi',
    source: join(import.meta.dirname, 'wasmi'),
    pinned: { wasmi: '78693fcdd618e0fc34af59c6b8efa9ac5d58c68df940beff4bedddb6acfe7c27' },
    duration: '2 min',
  });
}

/** A kernel's run. */
export interface KernelRun {
  readonly result: number;
  readonly nanoseconds: number;
}

/** A process that has the kernels loaded, and runs them when it is asked to. */
export class Peer implements Disposable {
  readonly name: EngineName;
  readonly #child;
  readonly #lines: AsyncIterator<string, undefined>;

  private constructor(name: EngineName, { command, args, after = [], env }: Program, module: string) {
    this.name = name;
    this.#child = spawn(command, [...args, module, ...after], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    // Its end shows in the lines that do not come.
    this.#child.on('error', () => undefined);
    this.#child.stdin.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws WasmletError FailedPrecondition where the engine is not to be had, Internal when it does not build */
  static async start(name: EngineName, module: string): Promise<Peer> {
    return new Peer(name, await ENGINES[name](), module);
  }

  /** @throws WasmletError Internal when the process ends instead */
  async run(kernel: string, rounds: number): Promise<KernelRun> {
    this.#child.stdin.write(`${kernel} ${rounds}\n`);
    const line = await this.#lines.next();
    const [result, nanoseconds] = line.done === true ? [] : line.value.split(' ');
    if (nanoseconds === undefined) throw new WasmletError('Internal', `${this.name} has ended in kernel ${kernel}`);
    return { result: Number(result), nanoseconds: Number(nanoseconds) };
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
