import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/log.ts';
import { createImageService, type ImageServiceOptions } from '../index.ts';
import type { DockerConfig, Image, ImageService, ImageStore } from '../service.ts';

/** An image service over a temporary store, with retries and deadlines short enough for tests. */
export class ServiceFixture {
  readonly root: string;
  readonly #options: Partial<ImageServiceOptions>;
  service: ImageService & ImageStore;

  private constructor(root: string, options: Partial<ImageServiceOptions>, service: ImageService & ImageStore) {
    this.root = root;
    this.#options = options;
    this.service = service;
  }

  static async start(options: Partial<ImageServiceOptions> = {}): Promise<ServiceFixture> {
    const root = await mkdtemp(join(tmpdir(), 'wasmlet-images-'));
    return new ServiceFixture(root, options, await open(root, options));
  }

  pull(reference: string, ...dockerConfigs: DockerConfig[]): Promise<Image> {
    return this.service.pullImage({ reference, dockerConfigs, signal: new AbortController().signal });
  }

  /** Ends the service, lets the test change the store, and starts a new one over it. */
  async restart(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await meanwhile();
    this.service = await open(this.root, this.#options);
  }

  /** Every file of the store, by path relative to it, but for the index's. */
  async files(): Promise<readonly string[]> {
    const names = await readdir(this.root, { recursive: true });
    const files = [];
    for (const name of names) {
      if (!(await lstat(join(this.root, name))).isDirectory()) files.push(name);
    }
    return files.filter((name) => name !== 'index.json' && name !== 'oci-layout').sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]();
    await rm(this.root, { recursive: true, force: true });
  }
}

function open(root: string, options: Partial<ImageServiceOptions>): Promise<ImageService & ImageStore> {
  return createImageService({
    root,
    maxParallelPulls: 4,
    serialize: false,
    progressDeadlineMs: 10_000,
    maxImageBytes: 10_000_000,
    insecureRegistries: [],
    logger: silentLogger,
    retry: { attempts: 3, baseDelayMs: 1 },
    ...options,
  });
}
