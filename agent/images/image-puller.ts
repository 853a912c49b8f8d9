import { hasCode, messageOf } from '../../base/errors.ts';
import type { DockerConfig, Image, ImageService } from '../../images/service.ts';
import type { ObjectReference } from '../kube/types.ts';
import { goDuration, KeyedBackoff } from '../pods/backoff.ts';

/** Why a container's image is not there, as state.waiting shows it. */
export class ImageError extends Error {
  /** 'ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'RegistryUnavailable', 'ImageInspectError' */
  readonly reason: string;
  /** When the next try is worth while, in milliseconds since the epoch. */
  readonly retryAt: number | undefined;

  constructor(reason: string, message: string, options: { cause?: unknown; retryAt?: number | undefined } = {}) {
    super(message, options);
    this.name = 'ImageError';
    this.reason = reason;
    this.retryAt = options.retryAt;
  }
}

export interface EnsureImageRequest {
  readonly podUid: string;
  /** As in the pod's spec. */
  readonly image: string;
  readonly pullPolicy: string;
  readonly dockerConfigs: readonly DockerConfig[];
  /** What events are about. */
  readonly reference: ObjectReference;
  /** Called before a download begins: the pod's status can be shown meanwhile. */
  readonly onPull?: () => void;
  readonly signal: AbortSignal;
}

export interface ImagePuller {
  /**
   * Makes sure that a container's image is there, by its pull policy, with the kubelet's events and back-off
   * (pkg/kubelet/images/image_manager.go, EnsureImageExists).
   * @throws ImageError what the container waits for; WasmletError Cancelled when the signal ended it
   */
  ensure(request: EnsureImageRequest): Promise<Image>;
  /** Forgets the back-off of a pod that is gone. */
  forget(podUid: string): void;
}

interface Recorder {
  record(ref: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

const INITIAL_MS = 10_000;
const MAX_MS = 300_000;
/** How long a failed pull shows its own reason before ImagePullBackOff (the kubelet: until its next relist). */
const SHOWN_MS = 1000;

export function createImagePuller(options: {
  readonly images: ImageService;
  readonly recorder: Recorder;
  readonly now?: () => number;
}): ImagePuller {
  return new BackingOffPuller(options.images, options.recorder, options.now ?? Date.now);
}

class BackingOffPuller implements ImagePuller {
  readonly #images: ImageService;
  readonly #recorder: Recorder;
  readonly #now: () => number;
  readonly #backoff: KeyedBackoff;
  /** What went wrong at the last try, by back-off key: a pod that backs off goes on to say it. */
  readonly #lastErrors = new Map<string, string>();

  constructor(images: ImageService, recorder: Recorder, now: () => number) {
    this.#images = images;
    this.#recorder = recorder;
    this.#now = now;
    this.#backoff = new KeyedBackoff(INITIAL_MS, MAX_MS, now);
  }

  async ensure(request: EnsureImageRequest): Promise<Image> {
    const present = request.pullPolicy === 'Always' ? undefined : await this.#present(request);
    if (present) {
      const message = `Container image "${request.image}" already present on machine and can be accessed by the pod`;
      this.#recorder.record(request.reference, 'Normal', 'Pulled', message);
      return present;
    }
    if (request.pullPolicy === 'Never') {
      const message = `Container image "${request.image}" is not present with pull policy of Never`;
      this.#recorder.record(request.reference, 'Warning', 'ErrImageNeverPull', message);
      throw new ImageError('ErrImageNeverPull', message);
    }
    return this.#pull(request);
  }

  forget(podUid: string): void {
    for (const key of this.#lastErrors.keys()) {
      if (!key.startsWith(`${podUid}_`)) continue;
      this.#lastErrors.delete(key);
      this.#backoff.delete(key);
    }
  }

  async #present(request: EnsureImageRequest): Promise<Image | undefined> {
    try {
      return await this.#images.imageStatus(request.image);
    } catch (error) {
      const invalid = hasCode(error, 'InvalidImageName');
      const message = invalid
        ? `Failed to apply default image tag "${request.image}": ${messageOf(error)}`
        : `Failed to inspect image "${request.image}": ${messageOf(error)}`;
      this.#recorder.record(request.reference, 'Warning', 'InspectFailed', message);
      throw new ImageError(invalid ? 'InvalidImageName' : 'ImageInspectError', message, { cause: error });
    }
  }

  async #pull(request: EnsureImageRequest): Promise<Image> {
    const { image, reference, signal } = request;
    const key = `${request.podUid}_${image}`;
    this.#throwInBackoff(request, key);
    this.#lastErrors.delete(key);
    this.#recorder.record(reference, 'Normal', 'Pulling', `Pulling image "${image}"`);
    request.onPull?.();
    const startedAt = this.#now();
    try {
      const pulled = await this.#images.pullImage({ reference: image, dockerConfigs: request.dockerConfigs, signal });
      const took = goDuration(this.#now() - startedAt);
      this.#recorder.record(
        reference,
        'Normal',
        'Pulled',
        `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${pulled.size} bytes.`,
      );
      this.#backoff.delete(key);
      this.#backoff.collect();
      return pulled;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failed(request, key, error);
    }
  }

  #throwInBackoff({ image, reference }: EnsureImageRequest, key: string): void {
    const retryAt = this.#backoff.endsAt(key);
    if (retryAt === undefined) return;
    const backingOff = `Back-off pulling image "${image}"`;
    this.#recorder.record(reference, 'Normal', 'BackOff', backingOff);
    const last = this.#lastErrors.get(key);
    throw new ImageError('ImagePullBackOff', last === undefined ? backingOff : `${backingOff}: ${last}`, { retryAt });
  }

  #failed({ image, reference }: EnsureImageRequest, key: string, error: unknown): ImageError {
    if (hasCode(error, 'InvalidImageName')) {
      const message = `Failed to apply default image tag "${image}": ${messageOf(error)}`;
      this.#recorder.record(reference, 'Warning', 'InspectFailed', message);
      return new ImageError('InvalidImageName', message, { cause: error });
    }
    const unavailable = hasCode(error, 'RegistryUnavailable');
    // CRI's errors begin with their code, and so the kubelet's event does.
    const cause = unavailable ? `RegistryUnavailable: ${messageOf(error)}` : messageOf(error);
    this.#recorder.record(reference, 'Warning', 'Failed', `Failed to pull image "${image}": ${cause}`);
    this.#backoff.next(key, this.#now());
    const reason = unavailable ? 'RegistryUnavailable' : 'ErrImagePull';
    const message = unavailable
      ? `image pull failed for ${image} because the registry is unavailable: ${messageOf(error)}`
      : messageOf(error);
    this.#lastErrors.set(key, `${reason}: ${message}`);
    // Looked at again at once, not when the back-off ends: that it backs off is what users look for next.
    return new ImageError(reason, message, { cause: error, retryAt: this.#now() + SHOWN_MS });
  }
}
