import type { Volume } from '../kube/types.ts';
import { HOST_PATH_TYPES_WITHOUT_USE } from './host-path.ts';

/** Volume types of this node, by the field of `pod.spec.volumes[]` that chooses them. */
export const supportedVolumeTypes = [
  'configMap',
  'downwardAPI',
  'emptyDir',
  'hostPath',
  'projected',
  'secret',
] as const;

/** Sources of a projected volume that this node offers, by their field. */
export const supportedProjections = ['configMap', 'downwardAPI', 'secret', 'serviceAccountToken'] as const;

const fieldsSet = (object: object, except?: string): string[] =>
  Object.entries(object)
    .filter(([key, value]) => key !== except && value !== undefined && value !== null)
    .map(([key]) => key);

/** The field that chooses the volume's type; a volume without any is an emptyDir, as the API server defaults it. */
export function volumeTypeOf(volume: Volume): string {
  return fieldsSet(volume, 'name')[0] ?? 'emptyDir';
}

/**
 * Why a volume cannot be mounted on this node, for people; undefined when it can be. Pod admission and the volume
 * manager ask the same function, so that they never disagree.
 */
export function whyUnsupported(volume: Volume): string | undefined {
  const type = volumeTypeOf(volume);
  if (!(supportedVolumeTypes as readonly string[]).includes(type)) {
    return `volume "${volume.name}" is of type ${type}, which wasmlet nodes do not offer; use one of ${supportedVolumeTypes.join(', ')}`;
  }
  const hostPathType = volume.hostPath?.type ?? '';
  if (HOST_PATH_TYPES_WITHOUT_USE.includes(hostPathType)) {
    return `volume "${volume.name}" is a hostPath of type ${hostPathType}, which a guest cannot open; use a file or a directory`;
  }
  const medium = volume.emptyDir?.medium ?? '';
  if (medium !== '' && medium !== 'Memory') {
    return `volume "${volume.name}" asks for medium ${medium}, which wasmlet nodes do not offer; leave the medium out`;
  }
  for (const source of volume.projected?.sources ?? []) {
    const projection = fieldsSet(source)[0];
    if (projection !== undefined && !(supportedProjections as readonly string[]).includes(projection)) {
      return `volume "${volume.name}" projects a ${projection}, which wasmlet nodes do not offer; use ${supportedProjections.join(', ')}`;
    }
  }
  return undefined;
}
