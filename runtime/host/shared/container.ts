import { constants } from 'node:os';
import { messageOf } from '../../../base/errors.ts';
import type { OutputSink } from '../../../wasi/wasi.ts';
import { START_ERROR_EXIT_CODE, writeExit } from '../exit-record.ts';
import type { ContainerExit } from '../exit-record.ts';
import { asHost } from '../guest-identity.ts';
import { GuestEnd, loadGuest, runGuest } from '../guest.ts';
import type { LoadedGuest } from '../guest.ts';
import { LogWriter } from '../log-writer.ts';
import { timeNow } from '../timestamp.ts';
import type { Garbage } from './garbage.ts';
import { GuestSignals } from '../guest-signals.ts';
import { TERM } from '../process-signals.ts';
import type { Compile } from './module-cache.ts';
import { growthBytes, GuestSize, hostBytes } from './memory.ts';
import type { Membership, Preemption } from './preemption.ts';
import type { SharedStart, SharedUsage } from './protocol.ts';
import type { Scheduler } from './scheduler.ts';
import { TurnTaking } from './turn-taking.ts';

/** Bytes that a guest writes to its log before others have their turn. */
const OUTPUT_PER_TURN = 256 * 1024;

/** Bytes that one call of a guest moves: a larger one would be the others' time, a millisecond for each mebibyte. */
const MAX_TRANSFER = 256 * 1024;

/** What the host holds for a guest is counted no oftener: it may be thousands of things. */
const COUNT_EVERY_MS = 50;

const KILLED = 128 + constants.signals.SIGKILL;

const outOfMemory = (): GuestEnd => new GuestEnd({ exitCode: KILLED, reason: 'OOMKilled', message: '' });

/** What a container needs of the host that it shares with others. */
export interface SharedHostParts {
  readonly scheduler: Scheduler;
  readonly preemption: Preemption;
  /** Descriptors that each guest may have open. */
  readonly maxDescriptors: number;
  readonly compile: Compile;
  readonly garbage: Garbage;
}

/** A guest that is ready, and what was opened for it. */
interface Loaded extends Disposable {
  readonly guest: LoadedGuest;
  readonly log: LogWriter;
}

/** One container of a shared host: a guest with its own memory, files, log and end. */
export class SharedContainer {
  readonly #start: SharedStart;
  readonly #parts: SharedHostParts;
  readonly #taking: TurnTaking;
  readonly #signals = new GuestSignals();
  #loaded: Loaded | undefined;
  #member: Membership | undefined;
  #size: GuestSize | undefined;
  #written = 0;
  #hostBytes = 0;
  #countedAt = -Infinity;

  constructor(start: SharedStart, parts: SharedHostParts) {
    this.#start = start;
    this.#parts = parts;
    this.#taking = new TurnTaking(parts.scheduler, parts.scheduler.join(start.resources), () => this.#afterTurn());
  }

  /**
   * Makes the guest ready to run.
   * @throws what the container's status shows as the reason of a StartError; its exit record stands by then
   */
  async load(): Promise<void> {
    try {
      this.#loaded = await this.#open();
    } catch (error) {
      const exit = { exitCode: START_ERROR_EXIT_CODE, reason: 'StartError', message: messageOf(error) } as const;
      this.#noteExit({ ...exit, finishedAt: timeNow() });
      throw error;
    }
  }

  async #open(): Promise<Loaded> {
    const log = asHost(() => new LogWriter(this.#start.logPath, this.#start.logLimits, this.#start.directory));
    try {
      const streams = { stdout: this.#counted(log.stdout), stderr: this.#counted(log.stderr) };
      const guest = await loadGuest(this.#start, streams, {
        compile: (path) => this.#parts.compile(path, this.#start.original),
        signals: this.#signals,
        takesIdentity: false,
        bounds: { maxTransfer: MAX_TRANSFER, maxDescriptors: this.#parts.maxDescriptors },
        imports: (imports) => this.#taking.gate(imports),
        // They would run unseen by the scheduler.
        programs: false,
      });
      const dispose = (): void => {
        guest[Symbol.dispose]();
        asHost(() => log[Symbol.dispose]());
      };
      return { guest, log, [Symbol.dispose]: dispose };
    } catch (error) {
      asHost(() => log[Symbol.dispose]());
      throw error;
    }
  }

  /** Runs the guest to its end, and notes it. */
  async run(): Promise<void> {
    const loaded = this.#loaded;
    if (loaded === undefined) return;
    const { guest } = loaded.guest;
    const size = new GuestSize(guest);
    this.#size = size;
    using member = this.#parts.preemption.join(guest, {
      turns: this.#taking.turns,
      giveUp: () => this.#taking.giveUp(),
      grow: (kind, delta) => {
        if (this.#exceeds(size.bytes + growthBytes(kind, delta) + this.#hostBytes)) throw outOfMemory();
      },
    });
    this.#member = member;
    const exit = await runGuest(
      {
        descriptors: loaded.guest.descriptors,
        guest: { ...guest, run: (name) => this.#taking.run(() => guest.run(name)) },
        finish: () => loaded.guest.finish(),
        [Symbol.dispose]: () => undefined,
      },
      loaded.log,
    );
    const bytes = size.bytes;
    this.#loaded = undefined;
    this.#size = undefined;
    this.#member = undefined;
    loaded[Symbol.dispose]();
    this.#noteExit(exit);
    this.#parts.garbage.add(bytes);
  }

  #counted(sink: OutputSink): OutputSink {
    const write = (chunk: Uint8Array): void => {
      sink.write(chunk);
      this.#written += chunk.length;
      if (this.#written >= OUTPUT_PER_TURN) this.#member?.preempt();
    };
    return { write };
  }

  /** @returns what ends the guest: it has more memory than it may */
  #afterTurn(): Error | undefined {
    this.#written = 0;
    return this.#exceeds(this.#memoryBytes(performance.now() - this.#countedAt > COUNT_EVERY_MS))
      ? outOfMemory()
      : undefined;
  }

  #exceeds(bytes: number): boolean {
    const { memoryLimitInBytes } = this.#start.resources;
    return memoryLimitInBytes > 0 && bytes > memoryLimitInBytes;
  }

  /** @param counts whether what the host holds for the guest is counted anew */
  #memoryBytes(counts = true): number {
    if (counts && this.#loaded !== undefined) {
      this.#countedAt = performance.now();
      this.#hostBytes = hostBytes(this.#loaded.guest.descriptors);
    }
    return (this.#size?.bytes ?? 0) + this.#hostBytes;
  }

  /** As kill(2) to a process: a signal that the guest does not take itself ends it. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGTERM' && this.#signals.deliver(TERM)) return;
    this.#taking.end(new GuestEnd({ exitCode: 128 + constants.signals[signal], reason: 'Error', message: '' }));
  }

  usage(): SharedUsage {
    const cpuNanoseconds = this.#parts.scheduler.used(this.#taking.turns);
    return { container: this.#start.container, cpuNanoseconds, memoryBytes: this.#memoryBytes() };
  }

  #noteExit(exit: ContainerExit): void {
    asHost(() => writeExit(this.#start.directory, exit));
  }
}
