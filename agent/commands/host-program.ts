import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WasmletError } from '../../base/errors.ts';
import { createLogger } from '../../base/log.ts';
import type { Config } from '../config/schema.ts';
import { putHostProgram } from '../node/host-program.ts';
import { endOnSignals } from './signals.ts';

/** `wasmlet host-program`: puts Node and this program into <rootDir>/program, for a runtime outside of the container. */
export async function hostProgramCommand(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith('.ts')) {
    throw new WasmletError('FailedPrecondition', 'only the packed program can be put elsewhere: npm run build');
  }
  const program = { node: process.execPath, code: dirname(here) };
  const folder = join(config.rootDir, 'program');
  await endOnSignals(logger, async (signal) => {
    await putHostProgram({ program, folder, rootDir: config.rootDir, logger, signal });
  });
}
