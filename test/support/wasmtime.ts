import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { run, runOrThrow, type CommandResult } from './command.ts';
import { pythonPackage } from './packages.ts';

const WASMTIME = {
  name: 'wasmtime',
  version: '50.0.1',
  sha256: [
    'cc14c3a17654e0394e0225b11813532ef0cd7bd1e222a0c5494cdedaabeddac4',
    '675484e525c028dc02762b777f1db4477ea70caa3fec6775426daff4d64edfb1',
    'ff4fc58ed3cbdb919d056accd4d280be13962a542754aaefd8a9b4654efa9bd9',
    '13fe813b922712a9e10fe0f48b2c56da06432eea4b24269bb7cd3a6b2720560b',
  ],
  size: '10 MB',
};
const RUN_TIMEOUT_MS = 10 * 60_000;

/** Another runtime to compare with: wasmtime, as Python's package. */
export interface Wasmtime {
  /** For Python: its packages, wasmtime among them. */
  readonly env: NodeJS.ProcessEnv;
}

let found: Promise<Wasmtime | { readonly missing: string }> | undefined;

/** wasmtime, installed into the cache folder; or why it is not to be had. Asked once per process. */
export function findWasmtime(): Promise<Wasmtime | { readonly missing: string }> {
  found ??= pythonPackage(WASMTIME).then(
    (packages) => ({ env: { ...process.env, PYTHONPATH: packages } }),
    (error: unknown) => ({ missing: `wasmtime ${WASMTIME.version} cannot be installed: ${messageOf(error)}` }),
  );
  return found;
}

export interface WasmtimeRun {
  readonly module: string;
  /** Its own name first. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of this machine by the path that the guest sees. */
  readonly folders?: Readonly<Record<string, string>>;
}

/**
 * Runs a WASI command under wasmtime.
 * @returns what it wrote, and its exit code; 134 for a trap, as wasmtime's own command has it
 */
export async function runUnderWasmtime({ env }: Wasmtime, guest: WasmtimeRun): Promise<CommandResult> {
  const script = join(import.meta.dirname, 'wasmtime_run.py');
  return run('python3', [script, JSON.stringify(guest)], { env, timeoutMs: RUN_TIMEOUT_MS });
}

/** Runs a script of Python's that uses the package. @throws WasmletError Internal, with what it said, when it fails */
export async function runWithWasmtime({ env }: Wasmtime, args: readonly string[], timeoutMs: number): Promise<void> {
  await runOrThrow('python3', args, { env, timeoutMs });
}
