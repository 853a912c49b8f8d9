import { chmod, copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { bundleHost } from './bundle-host.ts';
import { licensesOf } from './licenses.ts';

/**
 * `npm run build`: what is published. TypeScript does not run under node_modules, and a process from one JavaScript
 * file starts in half the time.
 *
 * Usage: node build/bundle.ts [output folder]
 */

const repository = fileURLToPath(new URL('..', import.meta.url));

/**
 * Every process that wasmlet consists of, but the host. esbuild keeps the first line of a script (#!) where it is. The
 * command line is split where it imports a command: each loads its own code alone (docs/RATIONALE.md). Its parts stand
 * beside it, as code looks for files beside itself.
 */
const ENTRY_POINTS = [
  { entry: 'agent/cli.ts', output: 'cli', executable: true, splitting: true },
  { entry: 'runtime/supervisor/main.ts', output: 'supervisor', executable: false, splitting: false },
  { entry: 'images/worker.ts', output: 'pull-worker', executable: false, splitting: false },
  { entry: 'runtime/supervisor/shared/worker.ts', output: 'rewrite-worker', executable: false, splitting: false },
] as const;

/** Files that the bundles read as they are. */
const DATA = [
  { source: 'runtime/cri/api.proto', output: 'cri.proto' },
  { source: 'agent/local/schema/openapi.json', output: 'local-openapi.json' },
  { source: 'agent/local/schema/protobuf.json', output: 'local-protobuf.json' },
  { source: 'agent/local/web/page/index.html', output: 'local-page/index.html' },
  { source: 'agent/local/web/page/style.css', output: 'local-page/style.css' },
] as const;

/** The program of local mode's page, which browsers run. */
const PAGE = { source: 'agent/local/web/page/app.ts', output: 'local-page/app.js' } as const;

/** What npm installs as the command: for whatever Node is there. */
const LAUNCHER = { source: 'build/launcher.ts', output: 'wasmlet.cjs' } as const;

/** The licences of what the bundles contain. */
const LICENSES = 'THIRD_PARTY_LICENSES';

/** CommonJS packages (express, winston) call require for Node's own modules; an ES module has none. */
const REQUIRE =
  "import { createRequire as createRequireForBundle } from 'node:module';\n" +
  'const require = createRequireForBundle(import.meta.url);';

const settings = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  // Their texts are in the file of licences.
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  // Only reached when running from the repository: hosts are then bundled on the fly.
  external: ['esbuild', '*/build/bundle-host.ts'],
  absWorkingDir: repository,
} satisfies BuildOptions;

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Bundles everything.
 * @param output the folder that is made anew
 * @returns the files of code written, the parts of the command line among them
 */
export async function bundle(output: string): Promise<string[]> {
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const written: string[] = [];
  const inputs = new Set<string>();
  for (const { entry, output: name, executable, splitting } of ENTRY_POINTS) {
    const source = join(repository, entry);
    if (!(await exists(source))) continue;
    const { metafile } = await build({
      ...settings,
      entryPoints: { [name]: source },
      outdir: output,
      outExtension: { '.js': '.mjs' },
      splitting,
      chunkNames: `${name}-[name]-[hash]`,
      banner: { js: REQUIRE },
    });
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
    if (executable) await chmod(join(output, `${name}.mjs`), 0o755);
    written.push(...Object.keys(metafile.outputs).map((file) => join(repository, file)));
  }
  const launcher = join(output, LAUNCHER.output);
  const old = { platform: 'node', format: 'cjs', target: 'node14', external: ['*.mjs'] } satisfies BuildOptions;
  await build({ ...old, entryPoints: [join(repository, LAUNCHER.source)], bundle: true, outfile: launcher });
  await chmod(launcher, 0o755);
  written.push(launcher);
  const host = join(output, 'host.cjs');
  await writeFile(host, await bundleHost());
  const page = join(output, PAGE.output);
  await mkdir(dirname(page));
  await build({ entryPoints: [join(repository, PAGE.source)], outfile: page, target: 'es2024', format: 'esm' });
  for (const { source, output: name } of DATA) await copyFile(join(repository, source), join(output, name));
  await writeFile(join(output, LICENSES), await licensesOf(repository, inputs));
  return [...written, host];
}

if (import.meta.main) {
  const output = process.argv[2] ?? join(repository, 'dist');
  for (const file of await bundle(output)) console.log(`${file} ${Math.round((await stat(file)).size / 1024)} KB`);
}
