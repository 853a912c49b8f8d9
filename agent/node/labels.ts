/**
 * Labels of a Node object, and which of them a node may set on itself (k8s.io/kubelet/pkg/apis, well_known_labels.go;
 * plugin/pkg/admission/noderestriction).
 */

/** What OCI calls the platform of the images that run here; nodeInfo and the default labels say the same. */
export const NODE_OS = 'wasip1';
export const NODE_ARCH = 'wasm';

const ALLOWED_KUBERNETES_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);
const ALLOWED_NAMESPACES = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const RESTRICTED_NAMESPACE = 'node-restriction.kubernetes.io';

/** Labels that are set right on a Node object that exists already (pkg/kubelet, updateDefaultLabels). */
const DEFAULT_LABELS: readonly string[] = [...ALLOWED_KUBERNETES_LABELS, 'node.kubernetes.io/windows-build'];

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

export function defaultLabels(nodeName: string): Record<string, string> {
  return { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': NODE_OS, 'kubernetes.io/arch': NODE_ARCH };
}

/** The labels that a Node object lacks or has otherwise than it should; only those that the kubelet keeps right. */
export function outdatedDefaultLabels(
  wanted: Readonly<Record<string, string>>,
  existing: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => DEFAULT_LABELS.includes(key) && existing[key] !== value),
  );
}

/** Why a label cannot be configured, or undefined when it can. */
export function labelProblem(key: string, value: string): string | undefined {
  const [namespace, name] = key.includes('/')
    ? [key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1)]
    : ['', key];
  if (!NAME.test(name) || (namespace !== '' && (!SUBDOMAIN.test(namespace) || namespace.length > 253))) {
    return `${JSON.stringify(key)} is not a label key, for example example.com/rack`;
  }
  if (value !== '' && !NAME.test(value)) return `${key}: ${JSON.stringify(value)} is not a label value`;
  if (!isAllowed(key, namespace)) {
    return (
      `${key}: a node may not set this label on itself (NodeRestriction); ` +
      `use another domain, kubelet.kubernetes.io/… or node.kubernetes.io/…, or let an administrator set it`
    );
  }
  return undefined;
}

function isAllowed(key: string, namespace: string): boolean {
  if (isOf(namespace, RESTRICTED_NAMESPACE)) return false;
  if (!isOf(namespace, 'kubernetes.io') && !isOf(namespace, 'k8s.io')) return true;
  return ALLOWED_KUBERNETES_LABELS.has(key) || ALLOWED_NAMESPACES.some((allowed) => isOf(namespace, allowed));
}

const isOf = (namespace: string, domain: string): boolean => namespace === domain || namespace.endsWith(`.${domain}`);
