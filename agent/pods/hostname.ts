import { WasmletError } from '../../base/errors.ts';
import type { Pod } from '../kube/types.ts';
import { identityOf } from './spec.ts';

/** Truncated to what a Linux host name may have (kubelet_pods.go, GeneratePodHostNameAndDomain). */
export function hostnameOf(pod: Pod): string {
  const wanted = pod.spec?.hostnameOverride ?? pod.spec?.hostname ?? '';
  const hostname = wanted === '' ? identityOf(pod).name : wanted;
  return hostname.length <= 63 ? hostname : hostname.slice(0, 63).replace(/[-.]+$/, '');
}

/** The domain by which other pods find this one behind a headless service; '' where it has none. */
export function domainOf(pod: Pod, clusterDomain: string): string {
  const subdomain = pod.spec?.subdomain ?? '';
  if (subdomain === '' || pod.spec?.hostnameOverride !== undefined) return '';
  return `${subdomain}.${identityOf(pod).namespace}.svc.${clusterDomain}`;
}

/** The kernel's field for it has 64 characters. */
const MAX_FQDN = 64;

/**
 * What the pod takes itself for: its host name, with its domain where setHostnameAsFQDN says so (pkg/kubelet/util,
 * GetNodenameForKernel).
 * @throws WasmletError InvalidArgument in the kubelet's words when that is too long
 */
export function ownHostname(pod: Pod, clusterDomain: string): string {
  const hostname = hostnameOf(pod);
  const domain = domainOf(pod, clusterDomain);
  if (domain === '' || pod.spec?.setHostnameAsFQDN !== true) return hostname;
  const fqdn = `${hostname}.${domain}`;
  if (fqdn.length <= MAX_FQDN) return fqdn;
  const limit = `${MAX_FQDN} characters is the max, ${fqdn.length} characters requested`;
  throw new WasmletError(
    'InvalidArgument',
    `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (${limit})`,
  );
}
