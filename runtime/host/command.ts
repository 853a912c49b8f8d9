import { messageOf } from '../../base/errors.ts';
import type { OutputSink } from '../../wasi/wasi.ts';
import { tell } from './channel.ts';
import { START_ERROR_EXIT_CODE } from './exit-record.ts';
import { loadGuest, runGuest } from './guest.ts';
import { HOST_PROTOCOL_VERSION, MAX_OUTPUT_BYTES } from './protocol.ts';
import type { HostExec, HostReport } from './protocol.ts';
import { timeNow } from './timestamp.ts';

const v = HOST_PROTOCOL_VERSION;

/**
 * Runs a command in a container: nothing of it is kept, everything goes to the supervisor.
 * @returns the exit code
 */
export async function runCommand(start: HostExec): Promise<number> {
  const output = { stdout: outputTo('stdout'), stderr: outputTo('stderr') };
  let loaded: Awaited<ReturnType<typeof loadGuest>>;
  try {
    loaded = await loadGuest(start, output);
  } catch (error) {
    tell({ v, type: 'startFailed', message: messageOf(error) });
    return START_ERROR_EXIT_CODE;
  }
  using guest = loaded;
  tell({ v, type: 'started', startedAt: timeNow() });
  const { exitCode } = await runGuest(guest, output);
  const { user, system } = process.cpuUsage();
  tell({ v, type: 'finished', cpuMicroseconds: user + system });
  return exitCode;
}

const outputTo = (stream: 'stdout' | 'stderr'): OutputSink => ({
  write: (chunk) => {
    for (let start = 0; start < chunk.length; start += MAX_OUTPUT_BYTES) {
      const piece = chunk.subarray(start, start + MAX_OUTPUT_BYTES);
      const data = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('base64');
      report({ v, type: 'output', stream, data });
    }
  },
});

/** 128 + SIGPIPE */
const BROKEN_PIPE_EXIT_CODE = 141;

/** Without its supervisor a command has nobody who waits for it: it ends as one does whose pipe is broken. */
function report(message: HostReport): void {
  if (!tell(message)) process.exit(BROKEN_PIPE_EXIT_CODE);
}
