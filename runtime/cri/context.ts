import type { Logger } from '../../base/log.ts';
import type { ImageService } from '../../images/service.ts';
import type { RuntimeService } from '../service.ts';

/** What the methods of CRI are made of. */
export interface CriContext {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** Addresses at which pods are reached: all share the node's network. */
  readonly podIPs: readonly string[];
  /** Name of the machine, for pods that have none of their own because they ask for the host's network. */
  readonly hostname: string;
  readonly logger: Logger;
}
