import { timestamp } from '../registry/metadata.ts';
import type { Registry } from '../registry/registry.ts';
import { coreEvents } from '../resources/events.ts';
import type { ApiObject } from '../storage/object.ts';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** Who says it, as 'default-scheduler'. */
  readonly component: string;
}

/** Writes an event about an object; the same again counts up (client-go tools/events). */
export function recordEvent(registry: Registry, about: ApiObject, { component, ...text }: EventText): void {
  const { namespace = 'default', name = '', uid = '', resourceVersion = '' } = about.metadata;
  const now = timestamp();
  // One name for one thing said of one object, so that it is found again without a search.
  const id = Buffer.from(`${uid}/${text.reason}/${text.message}`).reduce(
    (hash, byte) => (hash * 31n + BigInt(byte)) % 2n ** 61n,
    7n,
  );
  const place = { resource: coreEvents, namespace, name: `${name}.${id.toString(16)}` };
  if (registry.find(place)) {
    registry.update(place, 'free', (event) => ({
      ...event,
      count: Number(event['count'] ?? 1) + 1,
      lastTimestamp: now,
    }));
    return;
  }
  registry.create(
    coreEvents,
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: place.name, namespace },
      involvedObject: { apiVersion: about.apiVersion, kind: about.kind, namespace, name, uid, resourceVersion },
      ...text,
      source: { component },
      reportingComponent: component,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    },
    namespace,
  );
}
