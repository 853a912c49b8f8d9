import type { GuestAddresses } from '../sandbox/network/pod-network.ts';
import type { PodSandboxConfig, PodSandboxMetadata } from '../service.ts';

/** What a container needs to know of its sandbox. */
export interface ContainerOwner {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly logDirectory: string;
  /** Holds the files of the sandbox. */
  readonly directory: string;
  readonly hostname: string;
  /** The pod's, if it is one's. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly dnsConfig: PodSandboxConfig['dnsConfig'];
  readonly engine: 'v8' | 'interpreter';
  readonly isolation: 'process' | 'shared';
  readonly cgroupParent: string | undefined;
  /** Path of the pod's own network namespace; undefined: it shares the node's. */
  readonly netns: string | undefined;
  /** What its guests' sockets are kept to; undefined: they may have all addresses of their network namespace. */
  readonly guestAddresses: GuestAddresses | undefined;
  /** As PodSandboxConfig. */
  readonly hostUsers?: boolean | undefined;
  readonly ready: boolean;
}
