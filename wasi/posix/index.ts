import type { Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import { Children, childFunctions } from './children.ts';
import { descriptorFunctions } from './descriptors.ts';
import { attributeFunctions } from './attributes.ts';
import { identityFunctions } from './identity.ts';
import { inspectionFunctions } from './inspection.ts';
import { POSIX_MODULE } from './name.ts';
import type { Programs } from './programs.ts';
import { signalFunctions } from './signals.ts';

export { POSIX_MODULE };
export type { Program, Programs, RunningProgram } from './programs.ts';

/**
 * What WASI Preview 1 does not show a guest, as docs/wasi-posix.md specifies it.
 * @param state of the Preview 1 that the guest has beside it: descriptors, files and memory are the same
 * @param programs what starts programs for the guest; undefined where none can be started
 */
export function posixImports(
  state: Preview1State,
  programs?: Programs,
): Readonly<Record<typeof POSIX_MODULE, Preview1Functions>> {
  const children = new Children();
  return {
    [POSIX_MODULE]: {
      ...inspectionFunctions(state),
      ...attributeFunctions(state),
      ...identityFunctions(state),
      ...descriptorFunctions(state),
      ...signalFunctions(state, children),
      ...childFunctions(state, children, programs),
    },
  };
}
