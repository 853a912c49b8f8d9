import type { CoreEvent } from '../../../agent/kube/types.ts';
import { normaliseText, type Volatile } from './normalise.ts';

/**
 * Events in the order in which they were made, by the object they are about: how those of two containers lie between
 * each other is chance. Of an event that was seen again only that is told, for how often is a matter of time.
 */
export function eventsOf(events: readonly CoreEvent[], volatile: Volatile): Record<string, string[]> {
  const byObject: Record<string, string[]> = {};
  const last = new Map<string, CoreEvent>();
  for (const event of events) last.set(event.metadata.uid ?? event.metadata.name ?? '', event);
  for (const event of [...last.values()].toSorted(inOrder)) {
    const { kind, name, fieldPath } = event.involvedObject;
    const key = normaliseText([kind, name, fieldPath].filter(Boolean).join(' '), volatile);
    (byObject[key] ??= []).push(describeEvent(event, volatile));
  }
  return byObject;
}

/** Times of events are whole seconds; within one, their names hold the nanosecond at which they were made. */
function inOrder(a: CoreEvent, b: CoreEvent): number {
  const difference = timeOf(a) - timeOf(b);
  if (difference !== 0) return difference;
  const [nameA, nameB] = [a.metadata.name ?? '', b.metadata.name ?? ''].map((name) =>
    name.slice(name.lastIndexOf('.')),
  );
  return nameA! < nameB! ? -1 : 1;
}

const timeOf = ({ firstTimestamp, eventTime }: CoreEvent): number => Date.parse(firstTimestamp ?? eventTime ?? '') || 0;

function describeEvent({ type, reason, message, source, count }: CoreEvent, volatile: Volatile): string {
  const again = (count ?? 1) > 1 ? ' (again and again)' : '';
  return `${type} ${reason} from ${source?.component ?? 'nobody'}${again}: ${normaliseText(message ?? '', volatile)}`;
}
