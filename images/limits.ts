/**
 * Bounds on what a registry may make us do. Each is far above what honest images need; beyond it the pull fails with a
 * message that names the bound.
 */
export const LIMITS = {
  /** Bytes of a manifest or an index (distribution spec v1.1, "Pushing Manifests": registries take at least 4 MiB). */
  manifestBytes: 4 * 1024 ** 2,
  /** Bytes of an image config; it is read whole into memory. */
  configBytes: 4 * 1024 ** 2,
  /** Bytes of a token realm's answer. */
  tokenBytes: 1024 ** 2,
  /** Bytes read of an error's body, for its message. */
  errorBytes: 64 * 1024,
  /** Layers of one image; Docker builds 127 at the most. */
  layers: 256,
  /** Indexes within indexes. */
  indexDepth: 3,
  /** Files of one archive of images. */
  archiveEntries: 4096,
  /** Files, folders and links of one unpacked image: the inodes that it may take. */
  treeEntries: 200_000,
  /** Redirects followed for one request. */
  redirects: 5,
  /** Bytes a second below which a body counts as making no progress; a drip must not hold a pull's slot for ever. */
  slowestBytesPerSecond: 1024,
  /** Times that one blob's download is taken up again after its connection dropped. */
  resumptions: 6,
  /** Layers of one image that are downloaded side by side. */
  layersAtOnce: 3,
  /** Longest wait that a registry's Retry-After is given, in milliseconds. */
  retryAfterMs: 30_000,
  /** Characters of an image reference, before it is matched against any pattern. */
  referenceLength: 1024,
} as const;
