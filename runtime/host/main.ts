import { messageOf } from '../../base/errors.ts';
import { receiveRequest, tell } from './channel.ts';
import { runCommand } from './command.ts';
import { START_ERROR_EXIT_CODE, writeExit } from './exit-record.ts';
import type { ContainerExit } from './exit-record.ts';
import { FuelFile } from './fuel-file.ts';
import { serveControl } from './control.ts';
import { asHost } from './guest-identity.ts';
import { loadGuest, runGuest } from './guest.ts';
import { LogWriter } from './log-writer.ts';
import { HOST_PROTOCOL_VERSION } from './protocol.ts';
import type { HostStart } from './protocol.ts';
import { timeNow } from './timestamp.ts';

/**
 * The host process: one container, or one command in a container. It is started before it is needed (the warm pool),
 * waits for its one request, runs the guest, notes the end and ends. It handles no signal but those that its guest has
 * subscribed to: SIGTERM's default ends it at once, also while the guest computes.
 *
 * What it imports is memory of every pod: node:net would be 0.5 MB, node:crypto 1.4 MB, Node's loader of ES modules
 * 0.8 MB. So it reads and writes its messages synchronously, and its bundle is a CommonJS script.
 */

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
  using fuel = new FuelFile(start.directory);
  guest.guest.watchFuel?.((used) => fuel.write(used));
  if (start.fuelLimit !== undefined) {
    if (!guest.guest.limitFuel) return startError('it has a limit of fuel, which its threads could not be held to');
    guest.guest.limitFuel(start.fuelLimit);
  }
  if (start.engine === 'interpreter') serveControl(guest.guest.control, start.directory);
  tell({ v: HOST_PROTOCOL_VERSION, type: 'started', startedAt: timeNow() });
  return await runGuest(guest, log);
}

const startError = (message: string): ContainerExit => ({
  exitCode: START_ERROR_EXIT_CODE,
  reason: 'StartError',
  message,
  finishedAt: timeNow(),
});

/** Runs a container and notes how it ended: the supervisor may be gone by then. */
async function runContainer(start: HostStart): Promise<number> {
  const exit = await run(start);
  asHost(() => writeExit(start.directory, exit));
  if (exit.reason === 'StartError') {
    tell({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message: exit.message });
  }
  return exit.exitCode;
}

async function main(): Promise<number> {
  tell({ v: HOST_PROTOCOL_VERSION, type: 'ready' });
  const request = receiveRequest();
  if (!request) return 0;
  process.title = request.title;
  // The guest has an umask of its own; the host's own files are created with the mode that they get.
  process.umask(0);
  if (request.v !== HOST_PROTOCOL_VERSION) {
    const message = `this host speaks version ${HOST_PROTOCOL_VERSION} of the protocol, the supervisor ${request.v}`;
    tell({ v: HOST_PROTOCOL_VERSION, type: 'startFailed', message });
    return START_ERROR_EXIT_CODE;
  }
  if (request.type === 'share') return await (await import('./shared/main.ts')).runSharedHost(request);
  return request.type === 'exec' ? await runCommand(request) : await runContainer(request);
}

void main().then((exitCode) => process.exit(exitCode));
