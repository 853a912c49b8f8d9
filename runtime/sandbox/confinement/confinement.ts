import type { Socket } from 'node:net';
import type { Command } from '../linux/launcher.ts';
import type { Reach } from './reach.ts';
import type { UserIds } from './user-ids.ts';

/** The first descriptor of a host's protocol: a socket, by which its launcher is given what it waits for too. */
export const FIRST_PROTOCOL_FD = 3;

/**
 * Whose users a host has: its own, the node's, or those of the host with this process, whatever these are. Only where
 * hosts can have users of their own it makes a difference.
 */
export type HostUsers = 'own' | 'node' | { readonly of: number };

export interface LaunchOptions {
  /**
   * What its container may reach, where needsReach; a host that is to have more than one container has none, and is then
   * not held to paths.
   */
  readonly reach?: Reach | undefined;
  /** Default: its own. */
  readonly users?: HostUsers | undefined;
}

/** A host process that is about to be started. */
export interface HostLaunch extends Disposable {
  readonly command: Command;
  /**
   * To be called once the process is there, with the other end of FIRST_PROTOCOL_FD: its launcher may wait for something.
   * @returns resolves when nothing more is to come from the launcher, which may have failed
   * @throws system errors: what it waits for cannot be given; it ends then
   */
  begin(pid: number, socket: Socket): Promise<void>;
  /** To be called once the process has answered, or is gone; before that nobody else may see what it has. */
  readonly settle?: (() => void) | undefined;
  /** What it inherits after the descriptors of its protocol; not needed any more once it is started. */
  readonly descriptors: readonly number[];
}

/** That hosts can have users of their own. */
export interface OwnUsers {
  /** Whether a host was seen to have some. */
  readonly isProven: boolean;
  /** How many users, and groups, a host that is started now has: from 0 on. */
  readonly idsPerHost: number;
  /** Gives others from now on; hosts keep what they have. @returns whether they are others */
  configure(ids: UserIds): boolean;
  /** @throws WasmletError ResourceExhausted when all ids are taken */
  expectRange(): void;
  /**
   * Whether files there can have such users for owners: not every file system can.
   * @param isVolume whether a folder may hold others, on other file systems: it is tried each time then, in 0.05 ms
   * @throws system errors
   */
  canOwn(path: string, isVolume: boolean): boolean;
}

/** How hosts are held: as far as this machine lets them be. */
export interface Confinement {
  /** What this machine does not allow of it, in words for people; empty: nothing is missing. */
  readonly missing: readonly string[];
  /** Why no host is launched at all; undefined: hosts are. */
  readonly refusal?: string;
  /** Whether a host can only be launched for a container that is known: none can be started ahead. */
  readonly needsReach: boolean;
  /** Whether hosts have mounts of their own, so that a container's root can be mounted for its host alone. */
  readonly hasOwnMounts: boolean;
  /** undefined: hosts have the users of the node. */
  readonly ownUsers?: OwnUsers | undefined;
  /** @param firstDescriptor number of the first of `descriptors` in the process */
  launch(flags: readonly string[], firstDescriptor: number, options?: LaunchOptions): HostLaunch;
}

/** Of a launcher that waits for nothing. */
export const begin = (): Promise<void> => Promise.resolve();

export interface ConfinementOptions {
  /** Path of the file that hosts run; what is beside it is theirs to read too. */
  readonly code: string;
  /** A folder for what hosts see as their '/'; made when it is needed. */
  readonly rootPath: string;
  /** Ids for the hosts' own users; default: those that nobody is given. */
  readonly userIds?: UserIds | undefined;
}

/** Hosts that are held by nothing but what the guest is given: the WASI layer. */
export class Unconfined implements Confinement {
  readonly missing: readonly string[];
  readonly needsReach = false;
  readonly hasOwnMounts = false;
  readonly #code: string;

  constructor(code: string, missing: readonly string[] = []) {
    this.#code = code;
    this.missing = missing;
  }

  launch(flags: readonly string[]): HostLaunch {
    return {
      command: [process.execPath, [...flags, this.#code]],
      descriptors: [],
      begin,
      [Symbol.dispose]: () => undefined,
    };
  }
}
