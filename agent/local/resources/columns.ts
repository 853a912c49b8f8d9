import { createdAt, humanDuration } from '../api/human-duration.ts';
import type { ApiObject } from '../storage/object.ts';
import type { Column } from './resource.ts';

export const NAME: Column = { name: 'Name', cell: ({ metadata }) => metadata.name ?? '' };

export const AGE: Column = { name: 'Age', cell: ageOf };

export function ageOf({ metadata }: ApiObject): string {
  return since(metadata.creationTimestamp);
}

/** How long ago, as kubectl shows it; '<unknown>' for a time that is not set. */
export function since(time: string | null | undefined): string {
  const at = createdAt(time);
  return at === undefined ? '<unknown>' : humanDuration(Date.now() - at);
}

/** A field of an object by its path, or undefined. */
export function at(object: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    object,
  );
}

/** The same, as text; '' where there is none. */
export function textAt(object: unknown, ...path: readonly string[]): string {
  const value = at(object, ...path);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

export const sizeOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
