import { rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import type { Server } from 'node:net';
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
 * Usage: host.mjs <path of its own socket>
 */

const socketPath = process.argv[2] ?? '';
const supervisor = new Socket({ fd: SUPERVISOR_FD });

/** Resolves with the start request; a host whose supervisor goes before that has nothing to live for. */
function receiveStart(): Promise<HostStart> {
  return new Promise((resolve) => {
    const reader = new MessageReader(MAX_START_BYTES);
    let started = false;
    supervisor.on('data', (chunk: Buffer) => {
      const message = reader.push(chunk)[0] as HostStart | undefined;
      if (message?.type !== 'start') return;
      started = true;
      resolve(message);
    });
    supervisor.on('error', () => undefined);
    supervisor.on('close', () => {
      if (!started) process.exit(0);
    });
  });
}

/** Resolves when the message has been handed to the kernel, or cannot be any more: the supervisor may be gone. */
function answer(message: HostAnswer): Promise<void> {
  return new Promise((resolve) => {
    supervisor.write(encodeMessage(message), () => resolve());
  });
}

/** The socket that stands for this process's life. Who connects is told nothing; the kernel closes it at the end. */
function listen(): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(socketPath, () => resolve(server));
  });
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
  await answer({ v: HOST_PROTOCOL_VERSION, type: 'started', startedAt: timeNow() });
  return await runGuest(guest, log);
}

const startError = (message: string): ContainerExit => ({
  exitCode: START_ERROR_EXIT_CODE,
  reason: 'StartError',
  message,
  finishedAt: timeNow(),
});

async function main(): Promise<number> {
  const start = await receiveStart();
  process.title = start.title;
  if (start.v !== HOST_PROTOCOL_VERSION) {
    const message = `this host speaks version ${HOST_PROTOCOL_VERSION} of the protocol, the supervisor ${start.v}`;
    await answer({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message });
    return START_ERROR_EXIT_CODE;
  }
  await listen();
  const exit = await run(start);
  writeExit(start.directory, exit);
  if (exit.reason === 'StartError') {
    await answer({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message: exit.message });
  }
  rmSync(socketPath, { force: true });
  return exit.exitCode;
}

process.exit(await main());
