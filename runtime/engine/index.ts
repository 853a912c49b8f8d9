import type { Engine } from './engine.ts';
import { v8Engine } from './v8/engine.ts';

/** Loaded when a guest wants it: it would be memory of every other host. */
const interpreterEngine: Engine = {
  name: 'interpreter',
  async compile(bytes) {
    const { interpreterEngine: loaded } = await import('./interpreter/engine.ts');
    return loaded.compile(bytes);
  },
};

const ENGINES: Readonly<Record<Engine['name'], Engine>> = { v8: v8Engine, interpreter: interpreterEngine };

/** The engine of that name. */
export function engineFor(name: Engine['name']): Engine {
  return ENGINES[name];
}
