import type { Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import { descriptorFunctions } from './descriptors.ts';
import { attributeFunctions } from './attributes.ts';
import { identityFunctions } from './identity.ts';
import { inspectionFunctions } from './inspection.ts';
import { POSIX_MODULE } from './name.ts';
import { signalFunctions } from './signals.ts';

export { POSIX_MODULE };

/**
 * What WASI Preview 1 does not show a guest, as docs/wasi-posix.md specifies it.
 * @param state of the Preview 1 that the guest has beside it: descriptors, files and memory are the same
 */
export function posixImports(state: Preview1State): Readonly<Record<typeof POSIX_MODULE, Preview1Functions>> {
  return {
    [POSIX_MODULE]: {
      ...inspectionFunctions(state),
      ...attributeFunctions(state),
      ...identityFunctions(state),
      ...descriptorFunctions(state),
      ...signalFunctions(state),
    },
  };
}
