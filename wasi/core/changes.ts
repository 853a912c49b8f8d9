/** Tells whoever waits that something has changed. All that wait for the next change share one promise. */
export class Changes {
  #next: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  next(): Promise<void> {
    return (this.#next ??= new Promise((resolve) => (this.#resolve = resolve)));
  }

  tell(): void {
    const resolve = this.#resolve;
    this.#next = undefined;
    this.#resolve = undefined;
    resolve?.();
  }
}
