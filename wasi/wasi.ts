/**
 * What the runtime gives to a guest, independent of the WASI generation. One context per container.
 * wasi/preview1 turns it into imports; the files, clocks and so on beneath live in wasi/core.
 */

export interface WasiMount {
  /** Absolute path in the guest. */
  readonly guestPath: string;
  /** A folder or a file on the host. */
  readonly hostPath: string;
  readonly readonly: boolean;
  /** A folder that `hostPath` is a folder in, where guests may exchange what is between the two. */
  readonly within?: string;
}

/** Where a guest's output goes. Writes are whole when they return: nothing is held back in the host. */
export interface OutputSink {
  /**
   * Takes one write of the guest, never empty, whole or not at all. `chunk` is a view of the guest's own memory (that
   * is what makes writing cheap): it is only valid until write returns, and a sink that needs it longer copies it.
   * @throws a system error (ENOSPC, EIO, …), which the guest gets as its errno
   */
  write(chunk: Uint8Array): void;
}

/** Where a guest's input comes from: resolves to an empty array at the end of input. Never called while it waits. */
export interface InputSource {
  read(maxBytes: number): Promise<Uint8Array> | Uint8Array;
}

/** Who the guest is, as the kernel knows a process. */
export interface WasiIdentity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/** Where signals to a guest come from. */
export interface SignalSource {
  /**
   * From now on, until disposed of, a signal does not have its default but calls `deliver`.
   * @param signal number as in WASI Preview 1, `signal`
   * @returns undefined when this signal never comes from outside
   */
  listen(signal: number, deliver: () => void): Disposable | undefined;
}

/** Which addresses a guest may send to. The first rule that fits holds: own ports, allow, deny, loopback. */
export interface WasiNetworkPolicy {
  /** Whether the node's loopback may be reached and bound to. */
  readonly allowLoopback: boolean;
  /** Addresses and subnets ('10.0.0.0/8'), of IPv4 and IPv6. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** TCP and UDP ports of this machine that are never reached. */
  readonly ownPorts: readonly number[];
  /** That machine's addresses, where the guest is in a network namespace of its own; absent: those seen here. */
  readonly ownAddresses?: readonly string[];
}

/** What a guest's sockets may do. */
export interface WasiNetwork {
  /** The pod's addresses, which 'any address' means; empty: those of the machine. */
  readonly bindAddresses: readonly string[];
  /**
   * Set where other pods are in the network namespace too: the address of 127.0.0.0/8 that stands for the loopback of
   * this pod. What the guest sends then has one of `bindAddresses` as its source, or this.
   */
  readonly loopback?: string;
  /** Listening descriptors that the guest has from the start, before '/'. */
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly policy: WasiNetworkPolicy;
  /** The pod's own name servers; without them those of the guest's /etc/resolv.conf, else the node's. */
  readonly dns?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  /** Takes a line for whoever reads the container's log. */
  report?(line: string): void;
}

export interface WasiContext {
  readonly args: readonly string[];
  /** 'KEY=value' */
  readonly env: readonly string[];
  /** The container's root folder on the host, shown as '/'. */
  readonly root: string;
  /** The guest's working directory (absolute, in the guest). */
  readonly workingDir: string;
  /** At any depth below '/'; the longest guestPath wins. */
  readonly mounts: readonly WasiMount[];
  readonly stdin: InputSource;
  readonly stdout: OutputSink;
  readonly stderr: OutputSink;
  readonly tty: boolean;
  /** Whether '/' takes no changes; mounts have their own. */
  readonly readonlyRoot?: boolean;
  /** Whether the guest finds /dev and /proc, as in any container. */
  readonly systemFiles?: boolean;
  /** What wasmlet_posix_v1 tells of the guest; without it root on a host without a name. */
  readonly identity?: WasiIdentity;
  readonly hostname?: string;
  readonly signals?: SignalSource;
  /** The signal that /dev/signal tells of, by its number in Preview 1; without it SIGTERM. */
  readonly stopSignal?: number;
  /** Its number among the programs of its container, and that of the one that started it; default 1, of nobody. */
  readonly pid?: number;
  readonly parentPid?: number;
  /** Without it the guest has no sockets. */
  readonly network?: WasiNetwork;
  /** Bytes that one call moves at the most, where guests share a thread; by default all that is asked for. */
  readonly maxTransfer?: number;
  /** Descriptors that the guest may have open, where guests share a process; default 4096. */
  readonly maxDescriptors?: number;
}

/** Thrown through the guest by proc_exit. */
export class WasiExit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.name = 'WasiExit';
    this.exitCode = exitCode;
  }
}
