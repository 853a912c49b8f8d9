import { createNamespace, removeNamespace } from './namespace.ts';

/** How a pod sandbox has a network namespace. */
export interface NamespaceUse {
  /**
   * Makes the namespace, unless it was made for another sandbox.
   * @returns whether it was made now
   * @throws WasmletError FailedPrecondition when the system does not allow it
   */
  open(): Promise<boolean>;
  /**
   * The plugins have attached it.
   * @param owner the sandbox's id
   */
  attached(addresses: readonly string[], owner: string): Promise<void>;
  /** The plugins are about to detach it. @param vacate ends the processes inside that wait for work */
  detaching(vacate: () => Promise<void>): Promise<void>;
  /** The plugins have detached it. Idempotent. */
  close(vacate: () => Promise<void>): Promise<void>;
}

/** A namespace of the sandbox alone. */
export class OwnNamespace implements NamespaceUse {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<boolean> {
    await createNamespace(this.#path);
    return true;
  }

  async attached(): Promise<void> {
    // Nobody is there whom it would have to be kept apart from.
  }

  detaching(vacate: () => Promise<void>): Promise<void> {
    return vacate();
  }

  close(): Promise<void> {
    return removeNamespace(this.#path);
  }
}
