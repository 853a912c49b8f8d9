import { WasmletError } from '../../../base/errors.ts';
import type { CompiledModule } from '../engine.ts';

/** How many missing imports an error names. */
const MAX_NAMED = 8;

export function missingImports(missing: CompiledModule['imports']): WasmletError {
  const named = missing
    .slice(0, MAX_NAMED)
    .map(({ module, name, kind }) => `${module}.${name}${kind === 'function' ? '' : ` (a ${kind})`}`)
    .join(', ');
  const rest = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : '';
  return new WasmletError(
    'InvalidArgument',
    `the module imports ${named}${rest}, which wasmlet does not offer: build it for WASI Preview 1 (wasm32-wasip1)`,
  );
}

export function noSuchExport(compiled: CompiledModule, exportName: string): WasmletError {
  const reactor = compiled.exports.some(({ name }) => name === '_initialize');
  const hint = reactor
    ? 'it is a reactor (it exports _initialize), which has no program to run; build it as a command'
    : 'build it as a WASI command';
  return new WasmletError('InvalidArgument', `the module exports no function ${exportName}: ${hint}`);
}
