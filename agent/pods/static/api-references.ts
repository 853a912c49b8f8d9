import type { Container, Pod, Volume } from '../../kube/types.ts';
import { allContainersOf } from '../spec.ts';

/** Volumes that need nothing of the API. */
const LOCAL_VOLUMES: readonly string[] = [
  'downwardAPI',
  'emptyDir',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'fc',
  'gitRepo',
];

/** What volumes need of the API, in the kubelet's words. */
const VOLUME_REFERENCES: Readonly<Record<string, string>> = {
  configMap: 'configmaps (via configmap volumes)',
  secret: 'secrets (via secret volumes)',
  csi: 'csidrivers (via CSI volumes)',
  glusterfs: 'endpoints (via glusterFS volumes)',
  persistentVolumeClaim: 'persistentvolumeclaims',
  ephemeral: 'persistentvolumeclaims (via ephemeral volumes)',
  azureFile: 'secrets (via azureFile volumes)',
};

const PROJECTED_REFERENCES: Readonly<Record<string, string>> = {
  configMap: 'configmaps (via projected volumes)',
  secret: 'secrets (via projected volumes)',
  serviceAccountToken: 'serviceaccounts (via projected volumes)',
  clusterTrustBundle: 'clustertrustbundles',
  podCertificate: 'podcertificates',
};

/**
 * What object of the API a pod refers to: a static pod must run without the API, and a mirror pod may not give its node
 * a right to read anything (pkg/api/pod, HasAPIObjectReference).
 * @returns the kind of object in the kubelet's words; undefined: none
 */
export function apiReferenceOf(pod: Pod): string | undefined {
  const { spec } = pod;
  if ((spec?.serviceAccountName ?? '') !== '') return 'serviceaccounts';
  const containers = allContainersOf(pod);
  if ((spec?.imagePullSecrets ?? []).length > 0 || containers.some(usesSecret)) return 'secrets';
  if (containers.some(usesConfigMap)) return 'configmaps';
  if ((spec?.resourceClaims ?? []).length > 0) return 'resourceclaims';
  return referenceOfVolumes(spec?.volumes ?? []);
}

function referenceOfVolumes(volumes: readonly Volume[]): string | undefined {
  for (const volume of volumes) {
    const reference = referenceOfVolume(volume);
    if (reference !== undefined) return reference;
  }
  return undefined;
}

const usesSecret = ({ env = [], envFrom = [] }: Container): boolean =>
  env.some(({ valueFrom }) => valueFrom?.secretKeyRef) || envFrom.some(({ secretRef }) => secretRef);

const usesConfigMap = ({ env = [], envFrom = [] }: Container): boolean =>
  env.some(({ valueFrom }) => valueFrom?.configMapKeyRef) || envFrom.some(({ configMapRef }) => configMapRef);

function referenceOfVolume({ name: _name, projected, ...sources }: Volume): string | undefined {
  for (const source of projected?.sources ?? []) {
    for (const kind of Object.keys(source)) if (kind !== 'downwardAPI') return PROJECTED_REFERENCES[kind] ?? kind;
  }
  for (const kind of Object.keys(sources)) {
    if (!LOCAL_VOLUMES.includes(kind)) return VOLUME_REFERENCES[kind] ?? kind;
  }
  return undefined;
}
