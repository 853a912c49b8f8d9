import { webAssembly } from '../../runtime/engine/interpreter/api.ts';
import { rewritten } from './rewritten.ts';

/** What a test needs of an engine: the shape of the JavaScript API, so that any engine can stand in for V8's. */
export interface SpecEngine {
  readonly name: string;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: Imports) => { readonly exports: Exports };
  readonly CompileError: ErrorClass;
  readonly LinkError: ErrorClass;
  readonly RuntimeError: ErrorClass;
  /** What a guest throws and nobody catches. */
  readonly Exception: ErrorClass;
}

export type Exports = Readonly<Record<string, unknown>>;
export type Imports = Readonly<Record<string, Exports>>;
type ErrorClass = abstract new (...args: never[]) => object;

/** V8's own. */
export const v8: SpecEngine = { name: 'v8', ...pick(WebAssembly as unknown as Omit<SpecEngine, 'name'>) };

function pick(api: Omit<SpecEngine, 'name'>): Omit<SpecEngine, 'name'> {
  const { Module, Instance, CompileError, LinkError, RuntimeError, Exception } = api;
  return { Module, Instance, CompileError, LinkError, RuntimeError, Exception };
}

/** The embedded interpreter's. */
const interpreter: SpecEngine = { name: 'interpreter', ...pick(webAssembly()) };

/** The engines that the suite is run on. */
export const ENGINES: readonly SpecEngine[] = [v8, interpreter, rewritten(v8)];
