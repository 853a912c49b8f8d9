import { WasmletError } from '../../../base/errors.ts';
import type { CompiledModule, Guest, GuestControl, GuestMemory } from '../engine.ts';
import { InterpretedControl } from './control.ts';
import { noSuchExport } from '../v8/imports.ts';
import type { Instance } from './machine/instance.ts';
import { invokeAsync, runToEnd } from './machine/invoke.ts';
import type { Machine, Pause } from './machine/machine.ts';
import { restoreMachine, saveMachine } from './machine/snapshot.ts';

/** Between two reports of the fuel that a guest has used. */
const REPORT_MS = 1000;

/** What a guest was about when it was saved: the function that runs, and the one that is called behind it. */
interface Errand {
  readonly calls: 'start' | 'entry';
  readonly entry: number;
}

/** A guest in the interpreter. */
export class InterpretedGuest implements Guest {
  readonly memory: GuestMemory;
  readonly instance: Instance;
  readonly machine: Machine;
  readonly control: GuestControl = new InterpretedControl(this);
  /** Called each time a slice is used up. */
  onSlice: (() => void) | undefined;
  readonly #compiled: CompiledModule;
  #started = false;
  #errand: Errand | undefined;
  /** Set while somebody wants the guest to stand still. */
  #still: { readonly reached: PromiseWithResolvers<void>; readonly over: PromiseWithResolvers<void> } | undefined;
  #report: ((used: number) => void) | undefined;
  #reportedAt = -Infinity;
  /** Tells of what was used since the last report, when the guest waits and the event loop is free. */
  #lateReport: NodeJS.Timeout | undefined;

  constructor(compiled: CompiledModule, instance: Instance, machine: Machine, memory: GuestMemory) {
    this.instance = instance;
    this.machine = machine;
    this.memory = memory;
    this.#compiled = compiled;
  }

  get exports(): Readonly<Record<string, unknown>> {
    return { memory: this.memory };
  }

  async run(exportName: string): Promise<void> {
    const { module } = this.instance;
    const exported = module.exports.find(({ name, kind }) => name === exportName && kind === 'function');
    if (exported === undefined) throw noSuchExport(this.#compiled, exportName);
    const entry = exported.index;
    if (module.start !== undefined && !this.#started) await this.#do({ calls: 'start', entry });
    await this.#do({ calls: 'entry', entry });
  }

  /**
   * Makes the guest stand still, within a slice of fuel; one that waits for the host does so behind that.
   * @returns when it does; `proceed` lets it go on
   */
  async pause(): Promise<void> {
    this.#still ??= { reached: Promise.withResolvers(), over: Promise.withResolvers() };
    await this.#still.reached.promise;
  }

  /** Whether it stands still, or shall. */
  get isPaused(): boolean {
    return this.#still !== undefined;
  }

  /** Lets the guest go on that stands still. */
  proceed(): void {
    this.#still?.over.resolve();
    this.#still = undefined;
  }

  /**
   * The whole state of a guest that stands still in a `run`; `resume` goes on with it, in this process or another.
   * @throws WasmletError FailedPrecondition
   */
  save(): Uint8Array<ArrayBuffer> {
    if (this.#errand === undefined)
      throw new WasmletError('FailedPrecondition', 'a guest that does not run is not saved');
    return saveMachine(this.machine, this.instance, this.#errand);
  }

  /**
   * Goes on with what a saved guest of the same module was about; this one must be new.
   * @throws WasmletError FailedPrecondition for bytes that do not fit; else as `run`
   */
  async resume(saved: Uint8Array): Promise<void> {
    const errand = restoreMachine(this.machine, this.instance, saved) as Errand;
    this.#started = true;
    await this.#watched(errand, () => runToEnd(this.machine, this.#overseer));
    if (errand.calls === 'start') await this.#do({ calls: 'entry', entry: errand.entry });
  }

  limitFuel(limit: number): void {
    this.machine.fuel.limit = limit;
  }

  watchFuel(report: (used: number) => void): void {
    this.#report = report;
  }

  async #do(errand: Errand): Promise<void> {
    this.#started = true;
    const index = errand.calls === 'start' ? (this.instance.module.start?.function ?? 0) : errand.entry;
    await this.#watched(errand, () => invokeAsync(this.machine, this.instance.function(index), [], this.#overseer));
  }

  async #watched(errand: Errand, act: () => Promise<unknown>): Promise<void> {
    this.#errand = errand;
    try {
      await act();
    } finally {
      this.#errand = undefined;
      clearTimeout(this.#lateReport);
      this.#report?.(this.machine.fuelUsed);
    }
  }

  readonly #overseer = { paused: ({ kind }: Pause): Promise<void> | undefined => this.#paused(kind) };

  #paused(kind: Pause['kind']): Promise<void> | undefined {
    if (this.#report !== undefined) this.#reportNowAndThen(kind);
    if (kind === 'slice') this.onSlice?.();
    if (kind !== 'slice' || this.#still === undefined) return undefined;
    this.#still.reached.resolve();
    return this.#still.over.promise;
  }

  /** Between slices, and when the guest waits: at the most once in REPORT_MS. */
  #reportNowAndThen(kind: Pause['kind']): void {
    const due = this.#reportedAt + REPORT_MS - performance.now();
    if (due <= 0) this.#reportNow();
    else if (kind === 'host') this.#lateReport ??= setTimeout(() => this.#reportNow(), due).unref();
  }

  #reportNow(): void {
    clearTimeout(this.#lateReport);
    this.#lateReport = undefined;
    this.#reportedAt = performance.now();
    this.#report?.(this.machine.fuelUsed);
  }
}
