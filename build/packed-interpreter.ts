import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

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
      contents: loader(deflateRawSync(await bundleApart(INTERPRETER)).toString('base64')),
      resolveDir: at('.'),
      loader: 'js',
    }));
  },
};

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
    keepNames: true,
    plugins: [sharedModules],
  });
  return outputFiles[0]?.text ?? '';
}

const sharedModules: Plugin = {
  name: 'shared-modules',
  setup: (bundle) => {
    bundle.onResolve({ filter: /\/(errors|engine)\.ts$/ }, ({ path, resolveDir }) => {
      const found = fileURLToPath(new URL(path, `file://${resolveDir}/`));
      const shared = SHARED.find((name) => at(name) === found);
      return shared === undefined ? undefined : { path: shared, external: true };
    });
  },
};

/** The module that unpacks and loads. */
const loader = (packed: string): string => `
${SHARED.map((name, index) => `import * as shared${index} from './${name}';`).join('\n')}
const shared = { ${SHARED.map((name, index) => `'${name}': shared${index}`).join(', ')} };
const { inflateRawSync } = process.getBuiltinModule('node:zlib');
const { compileFunction } = process.getBuiltinModule('node:vm');
const source = inflateRawSync(Buffer.from('${packed}', 'base64')).toString();
const module = { exports: {} };
compileFunction(source, ['module', 'exports', 'require'])(
  module,
  module.exports,
  (name) => shared[name] ?? process.getBuiltinModule(name),
);
export const { interpreterEngine } = module.exports;
`;
