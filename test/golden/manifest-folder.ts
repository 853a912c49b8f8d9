import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { RUNTIME_CLASS } from './stage.ts';

/** The name in the API of a static pod: the node's is added (pkg/kubelet/config, generatePodName). */
export const staticName = (name: string, nodeName: string): string => `${name}-${nodeName}`;

/** Of static pods: a folder that a node watches. Each case has file names of its own; disposed, its files are gone. */
export class ManifestFolder implements AsyncDisposable {
  readonly #path: string;
  readonly #prefix: string;
  readonly #written = new Set<string>();

  constructor(path: string, prefix: string) {
    this.#path = path;
    this.#prefix = prefix;
  }

  /** Writes a manifest, whole at once. A pod gets the cases' runtime class where it names none; text stays as it is. */
  async write(name: string, manifest: object | string): Promise<void> {
    const file = this.#fileOf(name);
    this.#written.add(name);
    // A name that begins with a dot is not looked at.
    const hidden = join(this.#path, `.${this.#prefix}-${name}`);
    await writeFile(hidden, typeof manifest === 'string' ? manifest : stringify(withRuntimeClass(manifest)));
    await rename(hidden, file);
  }

  async remove(name: string): Promise<void> {
    await rm(this.#fileOf(name));
    this.#written.delete(name);
  }

  #fileOf(name: string): string {
    return join(this.#path, `${this.#prefix}-${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#written) await rm(this.#fileOf(name), { force: true });
  }
}

function withRuntimeClass(manifest: object): object {
  const { spec } = manifest as { spec?: object };
  return { ...manifest, spec: { runtimeClassName: RUNTIME_CLASS, ...spec } };
}
