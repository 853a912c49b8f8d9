import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';
import type { NamespaceUse } from './namespace-use.ts';
import { createNamespace, isNamespace, namespacePath, removeNamespace } from './namespace.ts';
import { prepareForPods, routeFrom, stopRouting } from './source-routing.ts';

/** A sandbox's place in a shared namespace, as its record holds it. */
export const sharedPlaceSchema = z.object({
  /** Whose pods the namespace is for: the pods' Kubernetes namespace. */
  group: z.string(),
  /** Its number there, from 0, which no other has. */
  slot: z.number().int().min(0).max(0xffff),
});
type PlaceRecord = Readonly<z.infer<typeof sharedPlaceSchema>>;

/** As many as one host process takes by default: fewer would need more processes. */
const DEFAULT_MAX_PODS = 250;

/** What follows the node's prefix in the names of shared namespaces. */
const SHARED = 'shared-';

export const isSharedName = (name: string, prefix: string): boolean => name.startsWith(prefix + SHARED);

/** As containerd names the interface of a pod, where there are more of them. */
export const interfaceOf = (slot: number): string => `eth${slot}`;

/** The address of 127.0.0.0/8 that stands for a pod's loopback: the kernel takes all of them for its own. */
export const loopbackOf = (slot: number): string => `127.64.${slot >> 8}.${slot & 0xff}`;

/** One network namespace with the places of its sandboxes. */
class SharedNamespace {
  readonly path: string;
  readonly group: string;
  readonly slots = new Set<number>();
  #made: Promise<void> | undefined;

  /** @param made set when it is there already */
  constructor(path: string, group: string, made?: Promise<void>) {
    this.path = path;
    this.group = group;
    this.#made = made;
  }

  takeSlot(): number {
    let slot = 0;
    while (this.slots.has(slot)) slot++;
    this.slots.add(slot);
    return slot;
  }

  /** @returns whether it was made by this call. @throws WasmletError FailedPrecondition */
  async make(): Promise<boolean> {
    const isFirst = this.#made === undefined;
    this.#made ??= this.#make();
    await this.#made;
    return isFirst;
  }

  async #make(): Promise<void> {
    await createNamespace(this.path);
    try {
      await prepareForPods(this.path);
    } catch (error) {
      await removeNamespace(this.path);
      throw error;
    }
  }
}

/** The network namespaces that pods share, and who has which place there. */
export class SharedNamespaces {
  /** Pods of one namespace; those that are there stay. */
  maxPods = DEFAULT_MAX_PODS;
  readonly #prefix: string;
  readonly #namespaces = new Set<SharedNamespace>();
  #isAdopting = true;

  /** @param prefix how the names of the node's namespaces begin */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Keeps a place for a sandbox: in a namespace of its group that has room, else in a new one. */
  join(group: string): SharedPlace {
    const namespace = this.#find(group) ?? this.#begin(group);
    return new SharedPlace(namespace, namespace.takeSlot(), this);
  }

  #find(group: string): SharedNamespace | undefined {
    return [...this.#namespaces].find((each) => each.group === group && each.slots.size < this.maxPods);
  }

  #begin(group: string): SharedNamespace {
    const path = namespacePath(`${this.#prefix}${SHARED}${randomBytes(8).toString('hex')}`);
    const namespace = new SharedNamespace(path, group);
    this.#namespaces.add(namespace);
    return namespace;
  }

  /** The place of a sandbox of an earlier supervisor. */
  async adopt(path: string, { group, slot }: PlaceRecord): Promise<SharedPlace> {
    // One that is gone takes nobody any more.
    const isThere = await isNamespace(path);
    const known = [...this.#namespaces].find((each) => each.path === path);
    const namespace = known ?? new SharedNamespace(path, group, Promise.resolve());
    if (isThere) this.#namespaces.add(namespace);
    namespace.slots.add(slot);
    return new SharedPlace(namespace, slot, this);
  }

  /**
   * All sandboxes of earlier supervisors have been adopted: from now on a namespace goes with its last sandbox.
   * @returns the paths of those that somebody is in
   */
  endAdoption(): ReadonlySet<string> {
    this.#isAdopting = false;
    for (const namespace of this.#namespaces) if (namespace.slots.size === 0) this.#namespaces.delete(namespace);
    return new Set([...this.#namespaces].map(({ path }) => path));
  }

  /** Lets nobody else in. */
  retire(namespace: SharedNamespace): void {
    this.#namespaces.delete(namespace);
  }

  /** Gives a place back. @returns whether it was the last one of a namespace that nobody else can come into */
  leave(namespace: SharedNamespace, slot: number): boolean {
    namespace.slots.delete(slot);
    if (namespace.slots.size > 0 || this.#isAdopting) return false;
    this.retire(namespace);
    return true;
  }
}

/** One sandbox's place. */
export class SharedPlace implements NamespaceUse {
  readonly slot: number;
  readonly #namespace: SharedNamespace;
  readonly #all: SharedNamespaces;
  /** Whether it was the last to leave; undefined: it has not left. */
  #wasLast: boolean | undefined;

  constructor(namespace: SharedNamespace, slot: number, all: SharedNamespaces) {
    this.#namespace = namespace;
    this.slot = slot;
    this.#all = all;
  }

  get path(): string {
    return this.#namespace.path;
  }

  get group(): string {
    return this.#namespace.group;
  }

  async open(): Promise<boolean> {
    try {
      const isNew = await this.#namespace.make();
      if (await isNamespace(this.path)) return isNew;
      throw new WasmletError('FailedPrecondition', `${this.path} was removed`);
    } catch (error) {
      // The next one begins another.
      this.#all.retire(this.#namespace);
      throw error;
    }
  }

  async attached(addresses: readonly string[], owner: string): Promise<void> {
    await routeFrom(this.path, { name: interfaceOf(this.slot), slot: this.slot, addresses, owner });
  }

  async detaching(): Promise<void> {
    if (await isNamespace(this.path)) await stopRouting(this.path, this.slot);
  }

  async close(vacate: () => Promise<void>): Promise<void> {
    // Once: the next time its place may be another's.
    this.#wasLast ??= this.#all.leave(this.#namespace, this.slot);
    if (!this.#wasLast) return;
    await vacate();
    await removeNamespace(this.path);
  }
}
