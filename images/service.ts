/**
 * Images: references, registries, the store. CRI's ImageService in spirit; knows nothing of Kubernetes or of the
 * runtime, so that both the agent and (later) the CRI facade use it.
 */

/** What an image asks for, from its OCI config; all empty for a bare Wasm artifact. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** 'KEY=value' */
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  /** What a stop sends first, as 'SIGTERM'; absent: the image does not say. */
  readonly stopSignal?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Image {
  /** Digest of the manifest, 'sha256:…' (after choosing from an index: of the chosen manifest). Identifies the image. */
  readonly id: string;
  /** 'registry/repository:tag' */
  readonly repoTags: readonly string[];
  /** 'registry/repository@sha256:…', of what the reference resolved to (the index, where there is one). */
  readonly repoDigests: readonly string[];
  /** Bytes of all blobs. */
  readonly size: number;
  readonly os: string;
  readonly architecture: string;
  readonly config: ImageConfig;
  /** Host path of the module, where the image is a bare Wasm artifact (one Wasm layer). */
  readonly module?: string;
  /** Host path of the flattened read-only tree, where the image has tar layers. */
  readonly tree?: string;
}

/** One set of registry credentials; the first that the registry accepts is used. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** An identity (refresh) token, exchanged at the registry's token realm. */
  readonly identityToken?: string;
  /** A bearer token for the registry itself. */
  readonly registryToken?: string;
}

/** Docker's `.dockerconfigjson` (or legacy `.dockercfg`) content, parsed; hosts to credentials. */
export type DockerConfig = Readonly<Record<string, RegistryAuth>>;

/** How far a part of an image has come. */
export interface TransferProgress {
  /** What it is told apart by, and called: a digest, or the name of a file. */
  readonly name: string;
  /** '' for a file. */
  readonly mediaType: string;
  /** Bytes. */
  readonly done: number;
  readonly total: number;
  readonly state: 'under way' | 'there';
}

export interface PullOptions {
  /** Reference as in the pod's spec, for example 'ghcr.io/a/b:1' or 'nginx'. */
  readonly reference: string;
  /** From the pod's pull secrets, in order; tried before an anonymous pull. */
  readonly dockerConfigs: readonly DockerConfig[];
  /** Is told of what is downloaded, where it is this call that begins the download. */
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly signal: AbortSignal;
}

export interface ImageService {
  /** The image that a reference (tag or digest) or an id names in the store, or undefined. */
  imageStatus(reference: string): Promise<Image | undefined>;
  listImages(): Promise<readonly Image[]>;
  /**
   * Pulls, checks, stores and unpacks; calls for one reference with the same credentials share one download.
   * @throws WasmletError InvalidImageName, ErrImagePull, RegistryUnavailable, ImageNotRunnable, Cancelled; the message is
   *   for the pod's status: names the image and what to do
   */
  pullImage(options: PullOptions): Promise<Image>;
  /** Removes an image and the blobs that nothing else needs. */
  removeImage(id: string): Promise<void>;
  /** Bytes and inodes that the store uses. */
  imageFsInfo(): Promise<{ readonly path: string; readonly usedBytes: number; readonly inodesUsed: number }>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ImportOptions {
  /** A module, or an archive of images: an OCI layout or what `docker save` writes. It stays. */
  readonly path: string;
  /** What the image is called; needed for a module and for an image that has no name in its archive. */
  readonly name?: string | undefined;
  /** Is told of the file as it is read. */
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly signal: AbortSignal;
}

/** What the command line does with a node's images beside pulling them. */
export interface ImageStore extends Pick<
  ImageService,
  'listImages' | 'imageStatus' | 'removeImage' | typeof Symbol.asyncDispose
> {
  /**
   * Puts the images of a file into the store, without a registry.
   * @throws WasmletError InvalidImageName; InvalidArgument for a file that is neither; ImageNotRunnable, ErrImagePull
   */
  importImages(options: ImportOptions): Promise<readonly Image[]>;
}
