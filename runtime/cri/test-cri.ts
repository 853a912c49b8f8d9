import { join } from 'node:path';
import { credentials, makeClientConstructor } from '@grpc/grpc-js';
import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { silentLogger } from '../../base/log.ts';
import { FakeRegistry, wasmLayer } from '../../images/testing/fake-registry.ts';
import { ServiceFixture } from '../../images/testing/image-service.ts';
import { tarLayer } from '../../images/testing/tar.ts';
import { assemble, TestRuntime } from '../test-runtime.ts';
import { loadDefinition } from './definition.ts';
import { serveCri } from './server.ts';

type Message = Readonly<Record<string, unknown>>;
type Unary = (request: Message, answered: (error: ServiceError | null, response: never) => void) => void;
type Streaming = (request: Message) => ClientReadableStream<never>;

/** An image's reference, and what PullImage answered. */
export interface PulledImage {
  readonly reference: string;
  readonly imageRef: string;
}

/** The node's address in these tests. */
export const NODE_ADDRESS = '192.0.2.7';

/** A client, as the kubelet's or crictl: one connection, calls by the name that they have in CRI. */
export class CriClient implements Disposable {
  readonly #runtime: Client;
  readonly #images: Client;

  constructor(endpoint: string) {
    const { runtimeService, imageService } = loadDefinition();
    const connect = (name: string, service: typeof runtimeService) =>
      new (makeClientConstructor(service, name))(endpoint, credentials.createInsecure());
    this.#runtime = connect('RuntimeService', runtimeService);
    this.#images = connect('ImageService', imageService);
  }

  #find(method: string): (...args: unknown[]) => unknown {
    for (const client of [this.#runtime, this.#images]) {
      const found = (client as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>)[method];
      if (found !== undefined) return found.bind(client);
    }
    throw new Error(`no method ${method}`);
  }

  /** @throws ServiceError with gRPC's code */
  call<T>(method: string, request: Message = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      (this.#find(method) as Unary)(request, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  /** A stream's messages, until it ends or `next` is no longer called. */
  stream<T>(method: string, request: Message = {}): AsyncGenerator<T> & { cancel(): void } {
    const stream = (this.#find(method) as Streaming)(request);
    stream.on('error', () => undefined);
    const messages = (async function* () {
      for await (const message of stream) yield message as T;
    })();
    return Object.assign(messages, { cancel: () => stream.cancel() });
  }

  [Symbol.dispose](): void {
    this.#runtime.close();
    this.#images.close();
  }
}

/** A server over a runtime and a store of its own, with a registry to pull from. */
export class TestCri implements AsyncDisposable {
  readonly runtime: TestRuntime;
  readonly registry: FakeRegistry;
  readonly images: ServiceFixture;
  readonly client: CriClient;
  readonly path: string;
  readonly #end: AbortController;
  readonly #served: Promise<void>;
  #pods = 0;

  private constructor(
    parts: Pick<TestCri, 'runtime' | 'registry' | 'images' | 'path'>,
    end: AbortController,
    served: Promise<void>,
  ) {
    this.runtime = parts.runtime;
    this.registry = parts.registry;
    this.images = parts.images;
    this.path = parts.path;
    this.#end = end;
    this.#served = served;
    this.client = new CriClient(`unix://${parts.path}`);
  }

  static async start(): Promise<TestCri> {
    const [runtime, registry, images] = await Promise.all([
      TestRuntime.start(),
      FakeRegistry.start(),
      ServiceFixture.start(),
    ]);
    const path = join(runtime.root, 'cri.sock');
    const end = new AbortController();
    const context = {
      runtime: runtime.service,
      images: images.service,
      podIPs: [NODE_ADDRESS],
      hostname: 'machine',
      logger: silentLogger,
    };
    const { promise: ready, resolve } = Promise.withResolvers<undefined>();
    const served = serveCri(context, `unix://${path}`, end.signal, () => resolve(undefined));
    await Promise.race([ready, served]);
    return new TestCri({ runtime, registry, images, path }, end, served);
  }

  /** Puts a guest up as a bare artifact and pulls it. */
  async pull(name: string, wat: string): Promise<PulledImage> {
    this.registry.image(name, '1', [wasmLayer(Buffer.from(await assemble(wat)))]);
    return await this.#pullTag(name);
  }

  /** Puts guests up as an image with a file tree, which runs the first, and pulls it. */
  async pullTree(name: string, guests: Readonly<Record<string, string>>, config: Message = {}): Promise<PulledImage> {
    const files = Object.entries(guests).map(async ([path, wat]) => ({
      name: path,
      mode: 0o755,
      content: Buffer.from(await assemble(wat)),
    }));
    const [entrypoint = ''] = Object.keys(guests);
    this.registry.image(name, '1', [await tarLayer(await Promise.all(files))], {
      os: 'wasip1',
      architecture: 'wasm',
      config: { Entrypoint: [`/${entrypoint}`], ...config },
    });
    return await this.#pullTag(name);
  }

  async #pullTag(name: string): Promise<PulledImage> {
    const reference = `${this.registry.host}/${name}:1`;
    const { imageRef } = await this.client.call<{ imageRef: string }>('pullImage', { image: { image: reference } });
    return { reference, imageRef };
  }

  /** What a kubelet sends for a pod. */
  sandboxConfig(change: Message = {}) {
    const name = `pod-${++this.#pods}`;
    return {
      metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 },
      hostname: name,
      logDirectory: join(this.runtime.logs, name),
      labels: { 'io.kubernetes.pod.name': name },
      linux: { securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER' } } },
      ...change,
    };
  }

  /** Runs a sandbox with one container, not started; a guest in WebAssembly text is pulled as a bare artifact. */
  async create(guest: string | PulledImage, change: Message = {}, runtimeHandler = '') {
    const { reference, imageRef } = typeof guest === 'string' ? await this.pull('guest', guest) : guest;
    const sandboxConfig = this.sandboxConfig();
    const { podSandboxId } = await this.client.call<{ podSandboxId: string }>('runPodSandbox', {
      config: sandboxConfig,
      runtimeHandler,
    });
    const { containerId } = await this.client.call<{ containerId: string }>('createContainer', {
      podSandboxId,
      sandboxConfig,
      config: {
        metadata: { name: 'main', attempt: 2 },
        image: { image: imageRef, userSpecifiedImage: reference },
        labels: { 'io.kubernetes.container.name': 'main' },
        annotations: { 'io.kubernetes.container.hash': '1' },
        logPath: 'main/2.log',
        ...change,
      },
    });
    return { reference, imageRef, podSandboxId, containerId, sandboxConfig };
  }

  /** As create, started. */
  async run(guest: string | PulledImage, change: Message = {}, runtimeHandler = '') {
    const created = await this.create(guest, change, runtimeHandler);
    await this.client.call('startContainer', { containerId: created.containerId });
    return created;
  }

  /** Ends the server, as SIGTERM does; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#served;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.stop();
    await Promise.all([
      this.images[Symbol.asyncDispose](),
      this.registry[Symbol.asyncDispose](),
      this.runtime[Symbol.asyncDispose](),
    ]);
  }
}
