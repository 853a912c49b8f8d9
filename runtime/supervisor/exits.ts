import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { timeNow } from '../host/timestamp.ts';
import type { ContainerExit } from '../host/exit-record.ts';
import type { HostEnd } from './hosts.ts';

/** Bytes of a host's last words that go into a message. */
const MAX_LAST_WORDS = 2048;

/** The code of what nobody saw, as the kubelet gives it to a container that it cannot find. */
export const UNKNOWN_EXIT_CODE = 137;

/** 128 + SIGKILL, by which the kernel ends what has too much memory. */
const OOM_EXIT_CODE = 137;

/** The end of what a host process wrote to its stderr: V8's or Node's report of a fatal error. */
export function lastWords(path: string): string {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      const buffer = Buffer.alloc(Math.min(size, MAX_LAST_WORDS));
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, size - buffer.length)).trim();
    } finally {
      closeSync(fd);
    }
  } catch {
    // It explains an exit; its lack must not hide one.
    return '';
  }
}

export interface Evidence {
  /** How the process ended, as its parent sees it. */
  readonly end: HostEnd;
  /** The last signal that this supervisor sent to it. */
  readonly sent: NodeJS.Signals | undefined;
  /** Whether the memory limit was exceeded and a process killed for it. */
  readonly oomKilled: boolean;
  readonly lastWords: string;
  /** Which process it was; default: the container's own. */
  readonly process?: string;
}

/** Judges a container whose host ended without noting an exit itself: by a signal, or by a fault of the host. */
export function judgeExit(evidence: Evidence): ContainerExit {
  const { end, sent, oomKilled, lastWords: words, process = 'the host process' } = evidence;
  const explain = (text: string): string => (words === '' ? text : `${text}:\n${words}`);
  const error = (exitCode: number, message: string): ContainerExit => ({
    exitCode,
    reason: 'Error',
    message,
    finishedAt: timeNow(),
  });
  const signal = end.signal ?? (end.code === null ? sent : undefined);
  const killedOrUnseen = end.signal === 'SIGKILL' || (end.signal === null && end.code === null);
  if (oomKilled && killedOrUnseen && sent !== 'SIGKILL') {
    return { exitCode: OOM_EXIT_CODE, reason: 'OOMKilled', message: '', finishedAt: timeNow() };
  }
  if (signal !== undefined) {
    const message = signal === sent ? '' : explain(`${process} was ended by ${signal}`);
    return error(128 + constants.signals[signal], message);
  }
  if (end.code !== null) {
    return error(end.code === 0 ? 1 : end.code, explain(`${process} ended without noting how the guest did`));
  }
  return {
    exitCode: UNKNOWN_EXIT_CODE,
    reason: 'ContainerStatusUnknown',
    message: explain(`${process} is gone, and nobody was there who could see how it ended`),
    finishedAt: timeNow(),
  };
}
