import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import { keyOf } from '../runtime/engine/interpreter/core/core.ts';
import { emitCore } from '../runtime/engine/interpreter/core/emit.ts';
import { InstructionSet } from '../runtime/engine/interpreter/core/operations.ts';

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

const INTERPRETER = at('runtime/engine/interpreter/engine.ts');

/** What the interpreter must not have a copy of its own of: the host tells errors apart by their classes. */
const SHARED = ['base/errors.ts', 'runtime/engine/engine.ts'] as const;

/**
 * Puts the interpreter into the host's bundle packed, as text that is unpacked when a guest wants it. As code like any
 * other it would take 1.1 MB of the memory of every host, also of those that run V8 (docs/RATIONALE.md).
 */
export const packedInterpreter: Plugin = {
  name: 'packed-interpreter',
  setup: (host) => {
    host.onResolve({ filter: /\/interpreter\/engine\.ts$/ }, () => ({ path: 'interpreter', namespace: 'packed' }));
    host.onLoad({ filter: /.*/, namespace: 'packed' }, async () => ({
      contents: loader(brotliCompressSync(JSON.stringify(await packed())).toString('base64')),
      resolveDir: at('.'),
      loader: 'js',
    }));
  },
};

/** The interpreter; and what it shares with the host, for workers, which have no part in the host's. */
async function packed(): Promise<{ source: string; shared: Record<string, string> }> {
  const shared = SHARED.map(async (name) => [name, await bundleApart(at(name))] as const);
  return { source: await bundleApart(INTERPRETER), shared: Object.fromEntries(await Promise.all(shared)) };
}

async function bundleApart(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    write: false,
    legalComments: 'none',
    minify: true,
    // Threads have another script here.
    define: { 'import.meta.url': '"file:///"' },
    plugins: [sharedModules, prebuiltCore],
  });
  return outputFiles[0]?.text ?? '';
}

const sharedModules: Plugin = {
  name: 'shared-modules',
  setup: (bundle) => {
    bundle.onResolve({ filter: /\/(errors|engine)\.ts$/ }, ({ path, resolveDir, kind }) => {
      if (kind === 'entry-point') return undefined;
      const found = fileURLToPath(new URL(path, `file://${resolveDir}/`));
      const shared = SHARED.find((name) => at(name) === found);
      return shared === undefined ? undefined : { path: shared, external: true };
    });
  },
};

/** One memory with addresses of 32 bits that no threads share: what nearly all guests have. */
const COMMON_SHAPE = [{ is64: false, shared: false }];

const prebuiltCore: Plugin = {
  name: 'prebuilt-core',
  setup: (bundle) => {
    bundle.onLoad({ filter: /\/core\/prebuilt\.ts$/ }, () => {
      const core = emitCore(new InstructionSet(COMMON_SHAPE), COMMON_SHAPE);
      // Hexadecimal is packed to less than Base64, in which the same bytes look different.
      const prebuilt = { [keyOf(COMMON_SHAPE)]: Buffer.from(core).toString('hex') };
      return { contents: `export const PREBUILT = ${JSON.stringify(prebuilt)};`, loader: 'js' };
    });
  },
};

/** The module that unpacks and loads. */
const loader = (packed: string): string => `
${SHARED.map((name, index) => `import * as shared${index} from './${name}';`).join('\n')}
const shared = { ${SHARED.map((name, index) => `'${name}': shared${index}`).join(', ')} };
const { brotliDecompressSync } = process.getBuiltinModule('node:zlib');
const { compileFunction } = process.getBuiltinModule('node:vm');
const { source, shared: sharedSources } = JSON.parse(brotliDecompressSync(Buffer.from('${packed}', 'base64')).toString());
const module = { exports: {} };
compileFunction(source, ['module', 'exports', 'require'])(
  module,
  module.exports,
  (name) => shared[name] ?? process.getBuiltinModule(name),
);
export const { interpreterEngine } = module.exports;
module.exports.threadSource.script = () => \`
const { compileFunction } = require('node:vm');
const shared = {};
const load = (source) => {
  const module = { exports: {} };
  compileFunction(source, ['module', 'exports', 'require'])(module, module.exports, (name) => shared[name] ?? require(name));
  return module.exports;
};
for (const [name, source] of Object.entries(\${JSON.stringify(sharedSources)})) shared[name] = load(source);
load(\${JSON.stringify(source)}).runThreads(require('node:worker_threads'));
\`;
`;
