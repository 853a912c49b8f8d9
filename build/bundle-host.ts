import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { packedInterpreter } from './packed-interpreter.ts';

const ENTRY = fileURLToPath(new URL('../runtime/host/main.ts', import.meta.url));

/**
 * The host process as one CommonJS script, with nothing in it that it does not need: Node's loader of ES modules would
 * be 0.8 MB of every pod's memory.
 */
export async function bundleHost(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    write: false,
    legalComments: 'none',
    // Each host has its own text in memory. Names stay, for what faults say.
    minifyWhitespace: true,
    logLevel: 'silent',
    plugins: [packedInterpreter],
  });
  const [output] = outputFiles;
  if (!output) throw new Error('esbuild gave no output for the host');
  // Who bundles once, such as a supervisor, should not keep esbuild's own process for good.
  await stop();
  return output.text;
}
