import type { Logger } from '../../base/log.ts';
import type { Pod, Volume } from '../kube/types.ts';

/** What a volume type is given to set one volume of one pod up. */
export interface SetUpRequest {
  readonly pod: Pod;
  readonly volume: Volume;
  /** Absolute host path of the volume. Its parent exists; the folder itself does on every call but the first. */
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** One type of volume. Calls for the volumes of one pod may run side by side; those for one volume never do. */
export interface VolumeType {
  /** The field of `pod.spec.volumes[]` that chooses it, for example 'configMap'. */
  readonly field: string;
  /** The kubelet's plugin name, for the path: 'kubernetes.io/configmap' becomes 'kubernetes.io~configmap'. */
  readonly pluginName: string;
  /** Whether containers may only ever read it. */
  readonly readOnly: boolean;
  /** Where the files are, of a type that has them elsewhere than in the pod's folder. */
  dirOf?(volume: Volume): string;
  /** Whether an earlier set-up of this volume, perhaps by an earlier agent, came to its end. */
  isSetUp(dir: string): Promise<boolean>;
  /**
   * Sets the volume up, or brings its content up to date. Idempotent.
   * @throws WasmletError with the kubelet's text, without "MountVolume.SetUp failed …", which the manager adds
   */
  setUp(request: SetUpRequest): Promise<void>;
  /** Removes what the volume holds. Idempotent. `podUid` names the pod, whose spec may no longer be known. */
  tearDown(dir: string, podUid: string): Promise<void>;
}
