import { messageOf } from '../../base/errors.ts';
import { START_ERROR_EXIT_CODE, writeExit } from '../host/exit-record.ts';
import type { ContainerExit } from '../host/exit-record.ts';
import { timeNow } from '../host/timestamp.ts';
import type { ContainerLimits } from './container-limits.ts';
import type { SupervisorContext } from './context.ts';
import { judgeExit, lastWords } from './exits.ts';
import { pooledErrorPath } from './hosts.ts';
import type { Host, HostEnd } from './hosts.ts';
import { repairLog } from './log-repair.ts';
import { hostErrorPath, hostStatePath, readExit } from './records.ts';

export interface ExitNotesOptions {
  readonly containerId: string;
  /** The container's folder. */
  readonly directory: string;
  readonly logPath: string;
  readonly limits: ContainerLimits;
  readonly context: SupervisorContext;
}

/** How the process that ran a guest has ended. */
export interface ProcessEnd {
  readonly end: HostEnd;
  /** undefined: no host was ever found. */
  readonly host: Host | undefined;
  /** The last signal that this supervisor sent to it. */
  readonly sent: NodeJS.Signals | undefined;
}

/** What is noted of a container's exit, by its host or, where that could not, by the supervisor. */
export class ExitNotes {
  readonly #options: ExitNotesOptions;

  constructor(options: ExitNotesOptions) {
    this.#options = options;
  }

  /** @returns undefined when nothing was noted that can be read */
  async read(): Promise<ContainerExit | undefined> {
    try {
      return await readExit(this.#options.directory);
    } catch (error) {
      this.#log('error', 'an exit record cannot be read', error);
      return undefined;
    }
  }

  /** Why the guest could not be started; to be called before its host is killed, so that its end is not judged too. */
  async noteStartError(message: string): Promise<void> {
    if (await this.read()) return;
    this.#write({ exitCode: START_ERROR_EXIT_CODE, reason: 'StartError', message, finishedAt: timeNow() });
  }

  /** Judges how a guest ended whose host is gone and has noted nothing, notes that, and completes the log. */
  async judge({ end, host, sent }: ProcessEnd): Promise<ContainerExit> {
    const { limits, logPath, directory } = this.#options;
    const exit = judgeExit({ end, sent, oomKilled: await limits.wasOomKilled(), ...this.#traces(host) });
    try {
      // A host of an earlier release has kept it in the container's folder.
      for (const folder of [hostStatePath(directory), directory]) repairLog(logPath, folder);
    } catch (error) {
      this.#log('warn', 'a log cannot be completed', error);
    }
    this.#write(exit);
    return exit;
  }

  /** What a host has left behind that tells of its end. */
  #traces(host: Host | undefined): { readonly lastWords: string; readonly process?: string } {
    const { directory, context } = this.#options;
    if (!host?.shared) return { lastWords: lastWords(hostErrorPath(directory)) };
    const words = lastWords(pooledErrorPath(context.runDirectory, host.id));
    return { lastWords: words, process: host.shared.description };
  }

  /** A full disk or a folder that was taken away does not make the container run again. */
  #write(exit: ContainerExit): void {
    try {
      writeExit(this.#options.directory, exit);
    } catch (error) {
      this.#log('error', 'an exit cannot be written', error);
    }
  }

  #log(level: 'warn' | 'error', message: string, error: unknown): void {
    const { context, containerId } = this.#options;
    context.logger[level](message, { container: containerId, error: messageOf(error) });
  }
}
