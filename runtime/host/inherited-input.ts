import type { InputSource } from '../../wasi/wasi.ts';

/**
 * Input from the descriptor 0 that this process was born with. Node's own stream of it waits in the event loop, where a
 * read(2) of a pipe or a terminal would keep a thread, and with it the end of the process, for as long as nothing comes.
 * Only looked at when the guest first reads: what brings it is 0.5 MB.
 */
export function inheritedInput(): InputSource {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return {
    read: async () => {
      chunks ??= (process.stdin as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
      const next = await chunks.next();
      return next.done === true ? new Uint8Array(0) : next.value;
    },
  };
}
