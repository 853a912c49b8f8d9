import { CLOCK_RESOLUTIONS, monotonicNow, processCpuTime, threadCpuTime } from '../core/clocks.ts';
import { PosixError } from '../core/posix-error.ts';
import { CLOCK } from './abi.ts';
import { plain, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

/** @throws PosixError EINVAL for a clock that does not exist */
function timeOf({ realtime }: Preview1State, clock: number): bigint {
  switch (clock) {
    case CLOCK.REALTIME:
      return realtime.now();
    case CLOCK.MONOTONIC:
      return monotonicNow();
    case CLOCK.PROCESS_CPUTIME:
      return processCpuTime();
    case CLOCK.THREAD_CPUTIME:
      return threadCpuTime();
    default:
      throw new PosixError('EINVAL');
  }
}

function resolutionOf(clock: number): bigint {
  switch (clock) {
    case CLOCK.REALTIME:
      return CLOCK_RESOLUTIONS.realtime;
    case CLOCK.MONOTONIC:
      return CLOCK_RESOLUTIONS.monotonic;
    case CLOCK.PROCESS_CPUTIME:
    case CLOCK.THREAD_CPUTIME:
      return CLOCK_RESOLUTIONS.cpu;
    default:
      throw new PosixError('EINVAL');
  }
}

export function clockFunctions(state: Preview1State): Preview1Functions {
  const { memory } = state;
  return {
    /**
     * WASI Preview 1, `clock_res_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_res_get
     */
    clock_res_get: plain((clock: number, out: number) => memory.setU64(out, resolutionOf(clock))),
    /**
     * WASI Preview 1, `clock_time_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#clock_time_get
     * The precision asked for is always met.
     */
    clock_time_get: plain((clock: number, _precision: bigint, out: number) => memory.setU64(out, timeOf(state, clock))),
  };
}
