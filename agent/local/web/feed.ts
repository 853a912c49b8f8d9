import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { ContainerStats } from '../../../runtime/service.ts';
import type { KubeClient } from '../../kube/client.ts';
import { createReflector, type Reflector } from '../../kube/reflector.ts';
import type { CoreEvent, KubeObject, Node, Pod } from '../../kube/types.ts';
import { stateView, usageView, type CpuReading, type StateView, type UsageView } from './view.ts';

/** Changes that come together are shown together. */
const SETTLE_MS = 200;
const SAMPLE_MS = 2000;

export interface FeedOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** What the containers of this machine use. */
  readonly stats: () => Promise<readonly ContainerStats[]>;
  readonly logger: Logger;
}

/** What a page hears of. */
export interface FeedListener {
  state(state: StateView): void;
  usage(usage: UsageView): void;
}

/** Follows the API server for all pages that are open. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #listeners = new Set<FeedListener>();
  readonly #nodes: Reflector<Node>;
  readonly #pods: Reflector<Pod>;
  readonly #events: Reflector<CoreEvent>;
  #settling: NodeJS.Timeout | undefined;
  #reading: CpuReading | undefined;
  #sampling = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#nodes = this.#follow<Node>('/api/v1/nodes');
    this.#pods = this.#follow<Pod>('/api/v1/pods');
    this.#events = this.#follow<CoreEvent>('/api/v1/events');
  }

  #follow<T extends KubeObject>(path: string): Reflector<T> {
    const { client, logger } = this.#options;
    const changed = () => this.#changed();
    return createReflector<T>({
      client,
      path,
      logger,
      handler: { onAdd: changed, onUpdate: changed, onDelete: changed },
    });
  }

  /** Runs until the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => void this.#sample(), SAMPLE_MS);
    try {
      await Promise.all([this.#nodes, this.#pods, this.#events].map((reflector) => reflector.run(signal)));
    } finally {
      clearInterval(timer);
      clearTimeout(this.#settling);
    }
  }

  /** Tells a page of what is, and of all that comes. @returns what ends that */
  subscribe(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    listener.state(this.#state());
    return () => this.#listeners.delete(listener);
  }

  #state(): StateView {
    return stateView(this.#nodes.get(this.#options.nodeName), this.#pods.list(), this.#events.list());
  }

  #changed(): void {
    if (this.#listeners.size === 0) return;
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      const state = this.#state();
      for (const listener of this.#listeners) listener.state(state);
    }, SETTLE_MS);
  }

  /** Asks what is used, while somebody looks; a question that takes long is not asked twice. */
  async #sample(): Promise<void> {
    if (this.#listeners.size === 0) this.#reading = undefined;
    if (this.#listeners.size === 0 || this.#sampling) return;
    this.#sampling = true;
    try {
      const stats = await this.#options.stats();
      const { usage, reading } = usageView(stats, this.#reading, Date.now());
      const isFirst = this.#reading === undefined;
      this.#reading = reading;
      // One reading of CPU time says nothing yet.
      if (!isFirst) for (const listener of this.#listeners) listener.usage(usage);
    } catch (error) {
      this.#options.logger.debug('what containers use is not known', { error: messageOf(error) });
    } finally {
      this.#sampling = false;
    }
  }
}
