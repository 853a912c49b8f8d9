import { WasmletError } from '../../base/errors.ts';
import type { Engine } from './engine.ts';
import { v8Engine } from './v8/engine.ts';

/**
 * The engine of that name.
 * @throws WasmletError FailedPrecondition for one that this release does not have
 */
export function engineFor(name: Engine['name']): Engine {
  if (name === 'v8') return v8Engine;
  throw new WasmletError(
    'FailedPrecondition',
    `this release has no ${name} engine: set the runtime handler's engine to v8 (config: runtimeHandlers)`,
  );
}
