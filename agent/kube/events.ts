import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createBackoff } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { KubeApiError } from './client.ts';
import { createEventCorrelator, eventName, type CorrelatedEvent, type EventCorrelator } from './event-correlator.ts';
import type { EventReason } from './event-reasons.ts';
import type { CoreEvent, ObjectReference } from './types.ts';

export type EventType = 'Normal' | 'Warning';

/** Writes events about API objects in the background; recording never blocks and never fails. */
export interface EventRecorder {
  /**
   * Records an event about an object. For a container of a pod, `ref.fieldPath` is 'spec.containers{name}' (or
   * initContainers), as the kubelet names it.
   */
  record(ref: ObjectReference, type: EventType, reason: EventReason, message: string): void;
  /** Gives what is queued a short time to be written, then stops. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface EventRecorderOptions {
  /** event.source.component and reportingComponent; kubectl describe shows it under From. */
  readonly component: string;
  /** event.source.host and reportingInstance: the node's name. */
  readonly host: string;
  readonly logger: Logger;
  /** Milliseconds that queued events get to be written at the end. Default 2000. */
  readonly drainMs?: number;
}

/** client-go tools/record/event.go: maxQueuedEvents, maxTriesPerEvent, defaultSleepDuration. */
const MAX_QUEUED = 1000;
const MAX_TRIES = 12;
const RETRY_MS = 10_000;
/** A guest's stack trace may stand in a message; what is longer helps nobody in `kubectl describe`. */
const MAX_MESSAGE = 8192;

/**
 * A recorder with the behaviour of client-go's: one queue written in order, a repeated event counted up by PATCH,
 * similar events combined, a spam filter per object (see event-correlator.ts).
 */
export function createEventRecorder(client: KubeClient, options: EventRecorderOptions): EventRecorder {
  return new QueueingRecorder(client, options, createEventCorrelator());
}

class QueueingRecorder implements EventRecorder {
  readonly #client: KubeClient;
  readonly #options: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  readonly #queue: CoreEvent[] = [];
  readonly #stop = new AbortController();
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(client: KubeClient, options: EventRecorderOptions, correlator: EventCorrelator) {
    this.#client = client;
    this.#options = options;
    this.#correlator = correlator;
  }

  record(ref: ObjectReference, type: EventType, reason: EventReason, message: string): void {
    if (this.#closed) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#options.logger.error('an event is dropped: too many are queued', { reason, object: ref.name });
      return;
    }
    this.#queue.push(makeEvent(ref, type, reason, message, this.#options));
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  async #writeAll(): Promise<void> {
    for (let event = this.#queue.shift(); event; event = this.#queue.shift()) {
      if (this.#stop.signal.aborted) return;
      const correlated = this.#correlator.correlate(event, Date.now());
      if (correlated) await this.#writeWithRetries(correlated);
    }
  }

  async #writeWithRetries(correlated: CorrelatedEvent): Promise<void> {
    const backoff = createBackoff({ initialMs: RETRY_MS, maxMs: RETRY_MS, jitter: 0 });
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      if (await this.#write(correlated)) return;
      // The first wait is random, so that nodes do not come back all at once when the API server does.
      if (!(await backoff.wait(this.#stop.signal, tries === 1 ? Math.random() : 1))) return;
    }
    this.#options.logger.error('an event could not be written', { reason: correlated.event.reason });
  }

  /** @returns whether the event is done with: written, or refused for good */
  async #write({ event, patch }: CorrelatedEvent): Promise<boolean> {
    try {
      this.#correlator.written(await this.#patchOrCreate(event, patch));
      return true;
    } catch (error) {
      // An answer means that the event itself is refused (also where its namespace is going): trying again is no use.
      if (error instanceof KubeApiError && error.status !== 429 && error.status < 500) {
        if (error.reason !== 'AlreadyExists' && !/being terminated/.test(error.message)) {
          this.#options.logger.error('the API server refused an event', { reason: event.reason, error: error.message });
        }
        return true;
      }
      this.#options.logger.warn('an event could not be written yet', {
        reason: event.reason,
        error: messageOf(error),
      });
      return false;
    }
  }

  async #patchOrCreate(event: CoreEvent, patch: CorrelatedEvent['patch']): Promise<CoreEvent> {
    const { signal } = this.#stop;
    const collection = `/api/v1/namespaces/${event.metadata.namespace ?? 'default'}/events`;
    if (patch) {
      try {
        return await this.#client.patch(`${collection}/${event.metadata.name ?? ''}`, 'strategic', patch, { signal });
      } catch (error) {
        // Events live an hour only: one that is counted up may be gone.
        if (!(error instanceof KubeApiError) || error.status !== 404) throw error;
      }
    }
    const { resourceVersion: _, ...metadata } = event.metadata;
    return this.#client.create(collection, { ...event, metadata }, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#stop.abort(), this.#options.drainMs ?? 2000);
    await this.#writing;
    clearTimeout(timer);
    this.#stop.abort();
  }
}

/** The event as it is first recorded (client-go, recorderImpl.makeEvent). */
function makeEvent(
  ref: ObjectReference,
  type: EventType,
  reason: string,
  message: string,
  source: { readonly component: string; readonly host: string },
): CoreEvent {
  const now = new Date();
  const time = `${now.toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: eventName(ref.name ?? '', now.getTime()), namespace: ref.namespace ?? 'default' },
    involvedObject: ref,
    reason,
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message,
    source: { component: source.component, host: source.host },
    reportingComponent: source.component,
    reportingInstance: source.host,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
  };
}
