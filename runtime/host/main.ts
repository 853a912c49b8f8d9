import { readSync, writeSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { encodeMessage, MessageReader } from '../framing.ts';
import { START_ERROR_EXIT_CODE, writeExit } from './exit-record.ts';
import type { ContainerExit } from './exit-record.ts';
import { loadGuest, runGuest } from './guest.ts';
import { LogWriter } from './log-writer.ts';
import { HOST_PROTOCOL_VERSION, MAX_START_BYTES, SUPERVISOR_FD } from './protocol.ts';
import type { HostAnswer, HostStart } from './protocol.ts';
import { timeNow } from './timestamp.ts';

/**
 * The host process: one container. It is started before it is needed (the warm pool), waits for its one start request,
 * runs the guest, notes the end and ends. It handles no signal: SIGTERM's default ends it at once, also while the
 * guest computes.
 *
 * What it imports is memory of every pod: node:net would be 0.5 MB, node:crypto 1.4 MB, Node's loader of ES modules
 * 0.8 MB. So it reads and writes its messages synchronously, and its bundle is a CommonJS script.
 */

/** A start request mostly fits into one read. */
const READ_BYTES = 64 * 1024;

/** @returns the start request; undefined when the supervisor went before that: the host has nothing to live for then */
function receiveStart(): HostStart | undefined {
  const reader = new MessageReader(MAX_START_BYTES);
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  for (;;) {
    const length = readSync(SUPERVISOR_FD, chunk);
    if (length === 0) return undefined;
    const [message] = reader.push(chunk.subarray(0, length));
    if (message) return message as HostStart;
  }
}

/** Returns when the message has been handed to the kernel, or cannot be any more: the supervisor may be gone. */
function answer(message: HostAnswer): void {
  try {
    writeSync(SUPERVISOR_FD, encodeMessage(message));
  } catch {
    // Its successor learns of the start from the records.
  }
}

async function run(start: HostStart): Promise<ContainerExit> {
  let log: LogWriter;
  try {
    log = new LogWriter(start.logPath, start.logLimits, start.directory);
  } catch (error) {
    return startError(`the log cannot be opened: ${messageOf(error)}`);
  }
  using _log = log;
  let loaded: Awaited<ReturnType<typeof loadGuest>>;
  try {
    loaded = await loadGuest(start, log);
  } catch (error) {
    return startError(messageOf(error));
  }
  using guest = loaded;
  answer({ v: HOST_PROTOCOL_VERSION, type: 'started', startedAt: timeNow() });
  return await runGuest(guest, log);
}

const startError = (message: string): ContainerExit => ({
  exitCode: START_ERROR_EXIT_CODE,
  reason: 'StartError',
  message,
  finishedAt: timeNow(),
});

async function main(): Promise<number> {
  const start = receiveStart();
  if (!start) return 0;
  process.title = start.title;
  if (start.v !== HOST_PROTOCOL_VERSION) {
    const message = `this host speaks version ${HOST_PROTOCOL_VERSION} of the protocol, the supervisor ${start.v}`;
    answer({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message });
    return START_ERROR_EXIT_CODE;
  }
  const exit = await run(start);
  writeExit(start.directory, exit);
  if (exit.reason === 'StartError') {
    answer({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message: exit.message });
  }
  return exit.exitCode;
}

void main().then((exitCode) => process.exit(exitCode));
