import type { ReflectorHandler } from '../kube/reflector.ts';
import type { Pod } from '../kube/types.ts';
import { isMirrorPod, withSource } from './pod-source.ts';
import { identityOf, isBeingDeleted, type PodIdentity } from './spec.ts';
import type { MirrorPods } from './static/mirrors.ts';
import type { PodWorkers } from './workers.ts';

/**
 * Where pods come from: the API and the manifests on this node (pkg/kubelet/config). Each goes to its worker, marked
 * with its source; the API's mirror pods are not run, they show static pods.
 */
export class PodSources implements ReflectorHandler<Pod> {
  readonly #workers: PodWorkers;
  readonly #mirrors: MirrorPods;
  /** When each pod was first seen, by UID. */
  readonly #seen = new Map<string, string>();
  /** The pods of the manifests, by UID; undefined before they were read. */
  #static: ReadonlyMap<string, Pod> | undefined;

  constructor(workers: PodWorkers, mirrors: MirrorPods) {
    this.#workers = workers;
    this.#mirrors = mirrors;
  }

  onAdd(pod: Pod): void {
    if (isMirrorPod(pod)) this.#observeMirror(pod);
    else this.#workers.onAdd(this.#mark(pod, 'api'));
  }

  onUpdate(pod: Pod): void {
    if (isMirrorPod(pod)) this.#observeMirror(pod);
    else this.#workers.onUpdate(this.#mark(pod, 'api'));
  }

  onDelete(pod: Pod): void {
    if (!isMirrorPod(pod)) {
      this.#workers.onDelete(this.#mark(pod, 'api'));
      this.#seen.delete(identityOf(pod).uid);
      return;
    }
    this.#mirrors.forget(pod);
    this.#wakeStatic(pod);
  }

  /** All pods of the manifests, after each look at them. */
  setStatic(pods: readonly Pod[]): void {
    const before = this.#static ?? new Map<string, Pod>();
    this.#static = new Map(pods.map((pod) => [identityOf(pod).uid, this.#mark(pod, 'file')]));
    for (const [uid, pod] of before) {
      if (this.#static.has(uid)) continue;
      this.#workers.get(uid)?.remove(pod);
      this.#seen.delete(uid);
    }
    for (const [uid, pod] of this.#static) this.#addStatic(uid, pod);
    this.#mirrors.deleteOrphans();
  }

  /** Nothing is left of a pod. Its manifest may have come back meanwhile. */
  onForgotten(pod: Pod): void {
    const again = this.#static?.get(identityOf(pod).uid);
    if (again) this.#workers.onAdd(again);
    else this.#mirrors.release(pod);
  }

  /** Whether there is a manifest of this pod. */
  isWanted(uid: string): boolean {
    return this.#static?.has(uid) ?? false;
  }

  /** Whether a mirror of this namespace and name may stand for a static pod. */
  isExpected({ namespace, name }: PodIdentity): boolean {
    return this.#static === undefined || this.#workers.find(namespace, name) !== undefined;
  }

  #addStatic(uid: string, pod: Pod): void {
    const worker = this.#workers.get(uid);
    // One that is ending is begun anew once nothing is left of it.
    if (worker?.isRemoved) return;
    if (worker) worker.update(pod);
    else this.#workers.onAdd(pod);
  }

  #observeMirror(mirror: Pod): void {
    this.#mirrors.observe(mirror);
    if (isBeingDeleted(mirror)) this.#wakeStatic(mirror);
  }

  /** The next step of the pod looks at its mirror. */
  #wakeStatic(mirror: Pod): void {
    const { namespace, name } = identityOf(mirror);
    this.#workers.find(namespace, name)?.wake();
  }

  #mark(pod: Pod, source: 'api' | 'file'): Pod {
    const { uid } = identityOf(pod);
    const seen = this.#seen.get(uid) ?? new Date().toISOString();
    this.#seen.set(uid, seen);
    return withSource(pod, source, seen);
  }
}
