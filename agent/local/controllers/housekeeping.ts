import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { coreEvents } from '../resources/events.ts';
import type { ApiObject } from '../storage/object.ts';

const EVERY_MS = 60_000;
/** The API server's --event-ttl. */
const EVENT_MS = 3_600_000;

/** Takes away what is old: events after an hour, and the log of revisions after minutes. */
export class Housekeeping implements Disposable {
  readonly #timer: NodeJS.Timeout;

  constructor(registry: Registry, logger: Logger) {
    this.#timer = setInterval(() => {
      try {
        removeOldEvents(registry);
        registry.store.compact();
      } catch (error) {
        logger.error('old events and revisions could not be removed', { error: messageOf(error) });
      }
    }, EVERY_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** @param now milliseconds */
export function removeOldEvents(registry: Registry, now = Date.now()): void {
  const isOld = (event: ApiObject): boolean => now - lastTime(event) >= EVENT_MS;
  const { objects } = registry.store.list(coreEvents.storage, { selected: isOld });
  if (objects.length === 0) return;
  // After a night there are thousands: together they wait for the disk once.
  registry.store.batch(() => {
    for (const { metadata } of objects) {
      const { namespace = '', name = '' } = metadata;
      registry.delete({ resource: coreEvents, namespace, name }, {});
    }
  });
}

function lastTime(event: ApiObject): number {
  const { lastObservedTime } = (event['series'] ?? {}) as { lastObservedTime?: string };
  const times = [lastObservedTime, event['lastTimestamp'], event['eventTime'], event.metadata.creationTimestamp];
  return Math.max(...times.map((time) => (typeof time === 'string' ? Date.parse(time) : 0)));
}
