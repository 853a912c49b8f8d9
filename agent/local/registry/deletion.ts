import type { Resource } from '../resources/resource.ts';
import type { ApiObject } from '../storage/object.ts';
import { timestamp } from './metadata.ts';

/** metav1.DeleteOptions, as far as it matters here. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly dryRun?: boolean | undefined;
}

/** Finalizers by which the garbage collector is waited for. */
export const ORPHAN = 'orphan';
export const FOREGROUND = 'foregroundDeletion';

/** Why an object is not the one that was meant; undefined when it is. */
export function preconditionProblem({ metadata }: ApiObject, { preconditions }: DeleteOptions): string | undefined {
  const { uid = '', resourceVersion = '' } = preconditions ?? {};
  if (uid !== '' && uid !== metadata.uid) {
    return (
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid ?? ''}). ` +
      'The object might have been deleted and then recreated'
    );
  }
  if (resourceVersion !== '' && resourceVersion !== metadata.resourceVersion) {
    return (
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record ` +
      `(${metadata.resourceVersion ?? ''}). The object might have been modified`
    );
  }
  return undefined;
}

/**
 * What a deletion makes of an object (apiserver pkg/registry/rest/delete.go, BeforeDelete, and the finalizers of
 * pkg/registry/generic/registry/store.go). Changes the object that it is given.
 */
export function beginDeletion(
  resource: Resource,
  object: ApiObject,
  options: DeleteOptions,
): { object: ApiObject; gone: boolean } {
  const { metadata } = object;
  const finalizers = finalizersOf(object, options);
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  const seconds = graceOf(resource, object, options);
  // A namespace waits for what is in it, by a finalizer of its own kind.
  const waits = finalizers.length > 0 || resource.plural === 'namespaces';
  if (seconds === 0 && !waits) {
    markDeleted(object, metadata.deletionTimestamp ? (metadata.deletionGracePeriodSeconds ?? 0) : 0);
    return { object, gone: true };
  }
  markDeleted(object, seconds);
  if (resource.plural === 'namespaces') object['status'] = { ...(object['status'] as object), phase: 'Terminating' };
  return { object, gone: false };
}

function finalizersOf({ metadata }: ApiObject, { propagationPolicy }: DeleteOptions): string[] {
  const kept = (metadata.finalizers ?? []).filter((name) => ![ORPHAN, FOREGROUND].includes(name));
  if (propagationPolicy === 'Orphan') return [...kept, ORPHAN];
  if (propagationPolicy === 'Foreground') return [...kept, FOREGROUND];
  return propagationPolicy === undefined ? [...(metadata.finalizers ?? [])] : kept;
}

/** A deletion under way can be made shorter, never longer. */
function graceOf({ strategy }: Resource, object: ApiObject, { gracePeriodSeconds }: DeleteOptions): number {
  if (!strategy.gracePeriod) return 0;
  const { deletionTimestamp, deletionGracePeriodSeconds: left } = object.metadata;
  const asked = gracePeriodSeconds === undefined ? undefined : gracePeriodSeconds < 0 ? 1 : gracePeriodSeconds;
  if (!deletionTimestamp) return strategy.gracePeriod(object, asked);
  return asked === undefined ? (left ?? 0) : Math.min(asked, left ?? 0);
}

function markDeleted({ metadata }: ApiObject, seconds: number): void {
  const { deletionTimestamp, deletionGracePeriodSeconds: left } = metadata;
  if (!deletionTimestamp) {
    if (metadata.generation !== undefined && metadata.generation > 0) metadata.generation += 1;
    metadata.deletionTimestamp = timestamp(Date.now() + seconds * 1000);
    metadata.deletionGracePeriodSeconds = seconds;
  } else if (left !== undefined && seconds < left) {
    const begun = Date.parse(deletionTimestamp) - left * 1000;
    metadata.deletionTimestamp = timestamp(Math.max(Date.now(), begun + seconds * 1000));
    metadata.deletionGracePeriodSeconds = seconds;
  }
}
