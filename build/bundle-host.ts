import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

const ENTRY = fileURLToPath(new URL('../runtime/host/main.ts', import.meta.url));

/** The host process as one ES module, with nothing in it that it does not need. */
export async function bundleHost(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    write: false,
    legalComments: 'none',
    logLevel: 'silent',
  });
  const [output] = outputFiles;
  if (!output) throw new Error('esbuild gave no output for the host');
  // Who bundles once, such as a supervisor, should not keep esbuild's own process for good.
  await stop();
  return output.text;
}
