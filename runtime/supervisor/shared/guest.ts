import type { ProcessIdentity } from '../../../base/process.ts';
import type { HostAnswer } from '../../host/protocol.ts';
import type { SharedStart } from '../../host/shared/protocol.ts';
import type { Host, HostEnd } from '../hosts.ts';
import type { MountedRoot } from '../../sandbox/confinement/reach.ts';
import type { SharedHost } from './host.ts';

/** One container's part of a shared host. */
export class SharedGuest implements Host {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly ended: Promise<HostEnd>;
  readonly shared: NonNullable<Host['shared']>;
  readonly container: string;
  /** What it counts of its host's core: cpu.shares. */
  readonly cpuShares: number;
  readonly #host: SharedHost;
  readonly #end = Promise.withResolvers<HostEnd>();
  #hasEnded = false;

  constructor(host: SharedHost, container: string, cpuShares: number) {
    this.#host = host;
    this.container = container;
    this.cpuShares = cpuShares;
    this.id = host.id;
    this.identity = host.identity;
    this.ended = this.#end.promise;
    this.shared = {
      signal: (signal) => this.#signal(signal),
      usage: () => host.usageOf(container),
      description: host.description,
    };
  }

  /**
   * Starts the container.
   * @returns as ChildHost.start
   * @throws WasmletError DeadlineExceeded
   */
  start(start: SharedStart & MountedRoot, timeoutMs: number): Promise<HostAnswer | undefined> {
    return this.#host.start(this, start, timeoutMs);
  }

  #signal(signal: NodeJS.Signals): boolean {
    if (this.#hasEnded) return false;
    this.#host.signal(this, signal === 'SIGTERM' ? signal : 'SIGKILL');
    return true;
  }

  /** It has ended; the first call counts. */
  noteEnd(end: HostEnd): void {
    this.#hasEnded = true;
    this.#end.resolve(end);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }
}
