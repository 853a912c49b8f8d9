import { normalize } from 'node:path';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Pod, Volume } from '../kube/types.ts';
import { fieldPathValue } from '../pods/field-path.ts';
import { resourceValueForVolume } from '../pods/resource-field.ts';
import type { FileProjection } from './atomic-writer.ts';
import { DEFAULT_MODE } from './payload.ts';
import { projectionVolume } from './projection-volume.ts';
import type { VolumeType } from './volume.ts';

type DownwardAPIItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];

/** Resources that a container without a limit is told it may use. */
export type Allocatable = () => Readonly<Record<string, string>>;

/** downwardAPI: fields of the pod, and resources of its containers, as files. */
export function downwardAPIVolume(allocatable: Allocatable): VolumeType {
  return projectionVolume('downwardAPI', 'kubernetes.io/downward-api', ({ pod, volume }) => {
    const { items, defaultMode } = volume.downwardAPI ?? {};
    return Promise.resolve(downwardAPIPayload(items ?? [], pod, allocatable, defaultMode ?? DEFAULT_MODE));
  });
}

/**
 * Files of downward API items (pkg/volume/downwardapi, CollectData).
 * @throws WasmletError InvalidArgument that names every item at fault
 */
export function downwardAPIPayload(
  items: readonly DownwardAPIItem[],
  pod: Pod,
  allocatable: Allocatable,
  defaultMode: number,
): Map<string, FileProjection> {
  const payload = new Map<string, FileProjection>();
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      const text = itemValue(item, pod, allocatable);
      payload.set(normalize(item.path), { data: Buffer.from(text, 'utf8'), mode: item.mode ?? defaultMode });
    } catch (error) {
      errors.push(error);
    }
  }
  throwAggregate(errors);
  return payload;
}

function itemValue(item: DownwardAPIItem, pod: Pod, allocatable: Allocatable): string {
  if (item.fieldRef) return fieldPathValue(pod, item.fieldRef.fieldPath);
  if (item.resourceFieldRef) return resourceValueForVolume(pod, item.resourceFieldRef, allocatable());
  return '';
}

/** Throws what was gathered in the form of apimachinery's Aggregate: one as it is, several as "[a, b]". */
export function throwAggregate(errors: readonly unknown[]): void {
  if (errors.length === 0) return;
  const messages = [...new Set(errors.map(messageOf))];
  const code = errors[0] instanceof WasmletError ? errors[0].code : 'Internal';
  throw new WasmletError(code, messages.length === 1 ? (messages[0] ?? '') : `[${messages.join(', ')}]`, {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
  });
}
