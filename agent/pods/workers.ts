import type { Logger } from '../../base/log.ts';
import type { ReflectorHandler } from '../kube/reflector.ts';
import type { Pod } from '../kube/types.ts';
import type { Refusal } from './admission/admission.ts';
import type { PodContext } from './context.ts';
import { isStaticPod } from './pod-source.ts';
import { identityOf, podKey } from './spec.ts';
import { PodWorker } from './worker.ts';

export interface PodWorkersOptions {
  readonly context: PodContext;
  readonly admit: (pod: Pod, otherPods: readonly Pod[]) => Refusal | 'admitted' | 'later';
  /** Removes all that is left of a pod that the API has forgotten. */
  readonly cleanUp: (worker: PodWorker) => Promise<void>;
  /** Nothing is left of a pod: one of its UID may begin anew. */
  readonly onForgotten: (pod: Pod) => void;
  readonly logger: Logger;
}

/** The workers of all pods of the node, by UID. Nothing is decided before start: a half-read list proves nothing. */
export class PodWorkers implements ReflectorHandler<Pod> {
  readonly #options: PodWorkersOptions;
  readonly #workers = new Map<string, PodWorker>();
  /** What runs in the background, until the end. */
  readonly #tasks = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #hasStarted = false;

  constructor(options: PodWorkersOptions) {
    this.#options = options;
  }

  onAdd(pod: Pod): void {
    const { uid } = identityOf(pod);
    const known = this.#workers.get(uid);
    if (known) {
      this.onUpdate(pod);
      return;
    }
    const { context, admit } = this.#options;
    const worker = new PodWorker(pod, {
      context,
      mayStart: (asking) => this.#mayStart(asking),
      admit: (asking) => admit(asking.pod, this.#activePodsBut(asking)),
      onFinished: (finished) => this.#onFinished(finished),
    });
    this.#workers.set(uid, worker);
    if (this.#signal && (this.#hasStarted || isStaticPod(pod))) this.#run(worker, this.#signal);
  }

  onUpdate(pod: Pod): void {
    this.#options.context.status.observe(pod);
    this.#workers.get(identityOf(pod).uid)?.update(pod);
  }

  onDelete(pod: Pod): void {
    const { uid } = identityOf(pod);
    this.#options.context.status.noteGone(uid);
    this.#workers.get(uid)?.remove(pod);
  }

  /** From now on static pods run, of which there is no list to wait for; the signal ends all workers. */
  begin(signal: AbortSignal): void {
    this.#signal = signal;
  }

  /** Starts the workers of the API's pods, the oldest pod's first: it has the first claim on what the node has. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
    this.#hasStarted = true;
    const age = ({ pod }: PodWorker): string => pod.metadata?.creationTimestamp ?? '';
    const waiting = [...this.#workers.values()].filter(({ pod }) => !isStaticPod(pod));
    const byAge = waiting.sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0));
    for (const worker of byAge) this.#run(worker, signal);
  }

  /** Resolves when all has ended that start and events began; the signal given to start must have ended it. */
  async stopped(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  get(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  find(namespace: string, name: string): PodWorker | undefined {
    const matching = this.list().filter(({ identity }) => identity.namespace === namespace && identity.name === name);
    return matching.find(({ isRemoved }) => !isRemoved) ?? matching[0];
  }

  list(): PodWorker[] {
    return [...this.#workers.values()];
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  #run(worker: PodWorker, signal: AbortSignal): void {
    this.#track(worker.run(signal));
  }

  #track(task: Promise<void>): void {
    const tracked = task
      .catch((error: unknown) => this.#options.logger.error('a pod worker failed', { error }))
      .finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  #mayStart(worker: PodWorker): boolean {
    const key = podKey(worker.identity);
    return !this.list().some(
      (other) => other !== worker && podKey(other.identity) === key && other.state !== 'finished',
    );
  }

  #activePodsBut(worker: PodWorker): Pod[] {
    return this.list()
      .filter((other) => other !== worker && other.isActive)
      .map(({ pod }) => pod);
  }

  #onFinished(worker: PodWorker): void {
    const key = podKey(worker.identity);
    for (const other of this.#workers.values()) if (podKey(other.identity) === key) other.wake();
    if (worker.isRemoved) this.#track(this.#forget(worker));
  }

  async #forget(worker: PodWorker): Promise<void> {
    try {
      await this.#options.cleanUp(worker);
    } catch (error) {
      this.#options.logger.warn('what is left of a pod is removed later', { ...worker.identity, error });
    } finally {
      // From here on it is an orphan, should anything be left.
      this.#workers.delete(worker.identity.uid);
      this.#options.onForgotten(worker.pod);
    }
  }
}
