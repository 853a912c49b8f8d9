import type { ContainerEvent, PodSandboxMetadata } from '../service.ts';
import { timeNow } from '../host/timestamp.ts';

export type EventListener = (event: ContainerEvent) => void;

/** Hands events to whoever listens at that moment. What nobody heard is found out by listing. */
export class EventHub {
  readonly #listeners = new Set<EventListener>();

  /** @returns a function that ends the subscription */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(type: ContainerEvent['type'], containerId: string, podSandboxMetadata: PodSandboxMetadata): void {
    const event: ContainerEvent = { type, containerId, createdAt: timeNow(), podSandboxMetadata };
    for (const listener of this.#listeners) listener(event);
  }
}
