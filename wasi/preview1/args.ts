import type { GuestMemory } from '../core/guest-memory.ts';
import { plain, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

const encoder = new TextEncoder();

/** Strings as C has them: each with its NUL, one behind the other, and pointers to them. */
function stringList(memory: GuestMemory, strings: readonly string[]) {
  // A NUL inside would end the string early for the guest and make the sizes lie: what follows it is cut off here.
  const encoded = strings.map((text) => encoder.encode(`${text.split('\0', 1)[0] ?? ''}\0`));
  const size = encoded.reduce((sum, bytes) => sum + bytes.length, 0);
  return {
    sizes: plain((countOut: number, sizeOut: number) => {
      memory.check(sizeOut, 4);
      memory.setU32(countOut, encoded.length);
      memory.setU32(sizeOut, size);
    }),
    get: plain((pointersOut: number, bytesOut: number) => {
      memory.check(pointersOut, encoded.length * 4);
      memory.check(bytesOut, size);
      let at = bytesOut >>> 0;
      for (const [index, bytes] of encoded.entries()) {
        memory.setU32((pointersOut >>> 0) + index * 4, at);
        memory.setBytes(at, bytes);
        at += bytes.length;
      }
    }),
  };
}

/** LISTEN_FDS and LISTEN_FDNAMES, as sd_listen_fds_with_names(3) reads them. */
function listenVariables({ network }: Preview1State): readonly string[] {
  const listeners = network?.settings.listeners ?? [];
  if (listeners.length === 0) return [];
  const names = listeners.map(({ name }) => name || 'unknown').join(':');
  return [`LISTEN_FDS=${listeners.length}`, `LISTEN_FDNAMES=${names}`];
}

/**
 * The environment, with PWD where the working directory is not '/'. Preview 1 has no working directory: Go's wasip1
 * takes it from PWD; wasi-libc (C, Rust) begins at '/' whatever is told, and a program calls chdir itself.
 */
function environment(state: Preview1State): readonly string[] {
  const { workingDir } = state.context;
  const env = [...state.context.env, ...listenVariables(state)];
  if (workingDir === '/' || workingDir === '' || env.some((entry) => entry.startsWith('PWD='))) return env;
  return [...env, `PWD=${workingDir}`];
}

/** WASI Preview 1, `args_get`, `args_sizes_get`, `environ_get`, `environ_sizes_get`. */
export function argsFunctions(state: Preview1State): Preview1Functions {
  const args = stringList(state.memory, state.context.args);
  const environ = stringList(state.memory, environment(state));
  return {
    args_get: args.get,
    args_sizes_get: args.sizes,
    environ_get: environ.get,
    environ_sizes_get: environ.sizes,
  };
}
