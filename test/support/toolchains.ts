import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { cacheFolder } from './cache.ts';
import { run, runOrThrow } from './command.ts';
import { debianPackages, pythonPackage } from './packages.ts';
import { goVersion } from './tools.ts';

const BUILD_TIMEOUT_MS = 20 * 60_000;
/** Optimised, and with the function names kept that a trap's message shows. */
const C_FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];

/** Compiles a source (a file, or a folder for Go) into a module at `output`. */
export interface Toolchain {
  /** What the result depends on beside the source, or why the toolchain is not there. */
  readonly find: () => Promise<{ readonly version: string } | { readonly missing: string }>;
  readonly compile: (source: string, output: string) => Promise<void>;
}

const require = createRequire(import.meta.url);

/** A toolchain that `npm ci` installs. */
function ofPackage(name: string, flags: readonly string[] = []): Toolchain['find'] {
  return async () => {
    const path = join(import.meta.dirname, '../../node_modules', name, 'package.json');
    const manifest = await readFile(path, 'utf8').catch(() => undefined);
    if (manifest === undefined) return { missing: `npm ci installs ${name}` };
    return { version: [name, (JSON.parse(manifest) as { version: string }).version, ...flags].join(' ') };
  };
}

/** A toolchain from a package registry, which a machine may not reach. Looked for once per process. */
function fetched(find: () => Promise<{ readonly version: string }>): Toolchain['find'] {
  let found: ReturnType<Toolchain['find']> | undefined;
  return () => (found ??= find().catch((error: unknown) => ({ missing: messageOf(error) })));
}

const ZIG = {
  name: 'ziglang',
  version: '0.17.0',
  sha256: [
    '97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b',
    'd2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3',
    '87274af689c4128051b26c80f6f676757e0a81c2fdc137fd8b5679e928e4bc4f',
    '4d910f0e363ddb60a6b8ddb55235617797a8ccbcb6c5c7132a949d9f833eea42',
  ],
  size: '100 MB',
};

/** Zig's compiler, which is a compiler of C and C++ with their libraries for WASI too: those it builds once, in minutes. */
function zig(args: (source: string, output: string) => readonly string[]): Toolchain {
  return {
    find: fetched(async () => {
      await pythonPackage(ZIG);
      return { version: `zig ${ZIG.version} ${args('', '').join(' ')}` };
    }),
    compile: async (source, output) => {
      const { program, env } = await zigProgram();
      await runOrThrow(program, args(source, output), { env: { ...process.env, ...env }, timeoutMs: BUILD_TIMEOUT_MS });
    },
  };
}

/** Zig's compiler, and the variables that it needs. @throws WasmletError where it cannot be had */
export async function zigProgram(): Promise<{ readonly program: string; readonly env: Record<string, string> }> {
  const cache = join(cacheFolder(), 'zig-cache');
  const program = join(await pythonPackage(ZIG), 'ziglang/zig');
  return { program, env: { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache } };
}

const zigClang = (command: 'cc' | 'c++', ...flags: string[]): Toolchain =>
  zig((source, output) => [command, '--target=wasm32-wasi', ...C_FLAGS, ...flags, '-o', output, source]);

/** Debian's folder for libraries of this machine's architecture, as in /usr/lib/x86_64-linux-gnu. */
const LIBRARIES = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as string] ?? '';

/** The LLVM of an unpacked tree of Debian's: only there is one version. */
async function llvmOf(root: string): Promise<string> {
  const folders = join(root, 'usr/lib');
  const name = (await readdir(folders)).find((each) => each.startsWith('llvm-'));
  return join(folders, name ?? 'llvm');
}

const debianRust = () =>
  debianPackages({
    name: 'rust',
    start: ['rustc', 'libstd-rust-dev-wasm32'],
    along: /^(libstd-rust-[\d.]+|lld(-\d+)?|lib(llvm|bsd|edit|ffi|icu|lzma|md|tinfo|xml2|z3|zstd)[\d.-].*)$/,
    size: '80 MB',
    finish: (root) => rm(join(root, 'usr/lib/rustlib/wasm32-unknown-unknown'), { recursive: true, force: true }),
  });

interface Rust {
  readonly command: string;
  /** All but the target. */
  readonly args: readonly string[];
  /** What it calls the target for WASI. */
  readonly target: string;
  /** Variables that it needs. */
  readonly env: Readonly<Record<string, string>>;
}

/** The machine's Rust where it can compile for WASI, else Debian's. @throws WasmletError where neither can be had */
export async function rustCommand(): Promise<Rust> {
  const target = 'wasm32-wasip1';
  const libraries = await run('rustc', ['--print', 'target-libdir', `--target=${target}`]).catch(() => undefined);
  const names = libraries?.exitCode === 0 ? await readdir(libraries.stdout.trim()).catch(() => []) : [];
  if (names.some((name) => name.startsWith('libstd-'))) {
    return { command: 'rustc', args: [], target, env: {} };
  }
  const root = await debianRust();
  const llvm = await llvmOf(root);
  // Releases before 1.78 know it by its old name.
  const [known = target] = (await readdir(join(root, 'usr/lib/rustlib'))).filter((name) =>
    name.includes('wasm32-wasi'),
  );
  return {
    command: join(root, 'usr/bin/rustc'),
    args: [`--sysroot=${join(root, 'usr')}`, `-Clinker=${join(llvm, 'bin/lld')}`],
    target: known,
    env: { LD_LIBRARY_PATH: `${join(root, 'usr/lib', LIBRARIES)}:${join(llvm, 'lib')}` },
  };
}

const EMCC_FLAGS = ['-O2', '-Wall', '-Wextra', '-Wno-unused-function', '--profiling-funcs', '-sSTANDALONE_WASM'];

const debianEmscripten = () =>
  debianPackages({
    name: 'emscripten',
    start: ['emscripten'],
    along:
      /^(binaryen|clang-\d+|lld-\d+|llvm-\d+|node-.*|lib(clang|llvm|bsd|edit|ffi|icu|lzma|md|tinfo|xml2|z3)[\d.-].*)$/,
    size: '130 MB',
    finish: async (root) => {
      const emscripten = join(root, 'usr/share/emscripten');
      const libraries = join(emscripten, 'cache/sysroot/lib/wasm32-emscripten');
      // Half a gigabyte for link-time optimisation and position-independent code.
      for (const folder of ['docs', 'tests', 'media']
        .map((name) => join(emscripten, name))
        .concat(['lto', 'pic'].map((name) => join(libraries, name)))) {
        await rm(folder, { recursive: true, force: true });
      }
    },
  });

async function emcc(args: readonly string[], folder?: string): Promise<string> {
  const root = await debianEmscripten();
  const emscripten = join(root, 'usr/share/emscripten');
  const llvm = await llvmOf(root);
  const env = {
    ...process.env,
    PATH: `${join(root, 'usr/bin')}:${process.env['PATH'] ?? ''}`,
    LD_LIBRARY_PATH: `${join(root, 'usr/lib', LIBRARIES)}:${join(llvm, 'lib')}`,
    NODE_PATH: join(root, 'usr/share/nodejs'),
    // Debian's own names places that are not there.
    EM_CONFIG: join(root, 'usr/share/emscripten/unpacked.config'),
  };
  const config = {
    EMSCRIPTEN_ROOT: emscripten,
    LLVM_ROOT: join(llvm, 'bin'),
    BINARYEN_ROOT: join(root, 'usr'),
    NODE_JS: process.execPath,
    CACHE: join(emscripten, 'cache'),
  };
  const lines = Object.entries(config).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  await writeFile(env.EM_CONFIG, `${lines.join('')}FROZEN_CACHE = True\n`);
  const options = { env, timeoutMs: BUILD_TIMEOUT_MS, ...(folder === undefined ? {} : { cwd: folder }) };
  return (await runOrThrow('python3', [join(emscripten, 'emcc.py'), ...args], options)).stdout;
}

function clang(...more: readonly string[]): Toolchain {
  const flags = [...C_FLAGS, ...more];
  return {
    find: ofPackage('@yowasp/clang', flags),
    compile: async (source, output) => {
      const compiler = join(import.meta.dirname, 'compile-c.ts');
      await runOrThrow(process.execPath, [compiler, output, source, ...flags], { timeoutMs: BUILD_TIMEOUT_MS });
    },
  };
}

export const TOOLCHAINS = {
  c: clang(),
  'c-dwarf4': clang('-gdwarf-4'),
  'c-dwarf5': clang('-gdwarf-5'),
  'c-threads': clang(
    ...['-g', '-nostdlib', '-matomics', '-mbulk-memory', '-Wl,--shared-memory', '-Wl,--import-memory'],
    ...['-Wl,--export-memory', '-Wl,--max-memory=1048576'],
  ),
  'zig-c': zigClang('cc'),
  // WASI has no exceptions: their library is for programs that throw none.
  'zig-c++': zigClang('c++', '-std=c++20', '-fno-exceptions'),
  zig: zig((source, output) => [
    'build-exe',
    '-target',
    'wasm32-wasi',
    '-O',
    'ReleaseSafe',
    `-femit-bin=${output}`,
    source,
  ]),
  go: {
    find: async () => {
      const version = await goVersion();
      return version === undefined ? { missing: 'Go is not installed (see https://go.dev/doc/install)' } : { version };
    },
    compile: async (source, output) => {
      const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', GOWORK: 'off' };
      const args = ['build', '-trimpath', '-buildvcs=false', '-o', output, '.'];
      await runOrThrow('go', args, { cwd: source, env, timeoutMs: BUILD_TIMEOUT_MS });
    },
  },
  assemblyscript: {
    find: ofPackage('assemblyscript'),
    compile: async (source, output) => {
      const asc = require.resolve('assemblyscript/bin/asc.js');
      const flags = ['--optimize', '--debug', '--runtime', 'incremental', '--use', `abort=${asName(source)}/abort`];
      await runOrThrow(process.execPath, [asc, basename(source), '--outFile', output, ...flags], {
        cwd: join(source, '..'),
        timeoutMs: BUILD_TIMEOUT_MS,
      });
    },
  },
  wat: {
    find: ofPackage('wabt'),
    compile: async (source, output) => {
      const { default: wabt } = await import('wabt');
      const module = (await wabt()).parseWat(source, await readFile(source, 'utf8'));
      try {
        await writeFile(output, module.toBinary({ write_debug_names: true }).buffer);
      } finally {
        module.destroy();
      }
    },
  },
  rust: {
    find: fetched(async () => {
      const { command, env } = await rustCommand();
      const { stdout } = await runOrThrow(command, ['--version'], { env: { ...process.env, ...env } });
      return { version: stdout.trim() };
    }),
    compile: async (source, output) => {
      const { command, args, target, env } = await rustCommand();
      const flags = [`--target=${target}`, '--edition=2021', '-O', '-o', output, source];
      const options = { env: { ...process.env, ...env }, timeoutMs: BUILD_TIMEOUT_MS };
      await runOrThrow(command, [...args, ...flags], options);
    },
  },
  emscripten: {
    find: fetched(async () => ({ version: `${await emcc(['--version'])} ${EMCC_FLAGS.join(' ')}` })),
    compile: async (source, output) => {
      // It writes beside its source's name into the folder that it runs in.
      await emcc([...EMCC_FLAGS, source, '-o', output], join(output, '..'));
    },
  },
} satisfies Record<string, Toolchain>;

export type Language = keyof typeof TOOLCHAINS;

/** AssemblyScript names a module by its file without the ending. */
function asName(source: string): string {
  return basename(source, '.ts');
}
