import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** How a container ended. The host writes it about itself, the supervisor about a host that was ended by a signal. */
export interface ContainerExit {
  /** 0–255 */
  readonly exitCode: number;
  readonly reason: 'Completed' | 'Error' | 'OOMKilled' | 'StartError' | 'ContainerStatusUnknown';
  readonly message: string;
  readonly finishedAt: string;
}

export const EXIT_RECORD = { kind: 'ContainerExit', version: 1 } as const;

/** containerd's exit code of a container that could not be started. */
export const START_ERROR_EXIT_CODE = 128;

/** Bytes of a message at the most: the kubelet cuts off longer ones (MaxContainerTerminationMessageLength). */
const MAX_MESSAGE_LENGTH = 4096;

/** Where a container's exit record stands. */
export const exitRecordPath = (directory: string): string => join(directory, 'exit.json');

/**
 * Notes an exit in the container's folder: the form is base/record.ts's, temporary name and rename too. What that file
 * imports (node:crypto, a validator) would cost each host 1.6 MB for this one record.
 */
export function writeExit(directory: string, exit: ContainerExit): void {
  const body = { ...exit, message: exit.message.slice(0, MAX_MESSAGE_LENGTH) };
  const path = exitRecordPath(directory);
  const temporary = `${path}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify({ ...EXIT_RECORD, body })}\n`);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
