import type { AdmissionInput, Refusal } from './admission.ts';

/**
 * Sysctls that the kubelet lets pods set: they belong to a namespace of the pod's own (pkg/kubelet/sysctl,
 * safe_sysctls.go).
 */
const SAFE = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/** What the kubelet forbids is forbidden in its words; what it would set, a guest has nothing for. */
export function sysctls({ pod }: AdmissionInput): Refusal | undefined {
  const { securityContext, hostNetwork = false, hostIPC = false } = pod.spec ?? {};
  const asked = securityContext?.sysctls ?? [];
  for (const { name } of asked) {
    const why = whyForbidden(normalise(name), { hostNetwork, hostIPC });
    if (why !== undefined) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${why}` };
  }
  if (asked.length === 0) return undefined;
  return { reason: 'UnsupportedPodSpec', message: 'sysctls cannot be set here; remove sysctls' };
}

interface Shared {
  readonly hostNetwork: boolean;
  readonly hostIPC: boolean;
}

function whyForbidden(name: string, { hostNetwork, hostIPC }: Shared): string | undefined {
  if (!SAFE.has(name)) return `${JSON.stringify(name)} not allowlisted`;
  if (hostNetwork && name.startsWith('net.')) return `${JSON.stringify(name)} not allowed with host Net enabled`;
  if (hostIPC && name.startsWith('kernel.')) return `${JSON.stringify(name)} not allowed with host IPC enabled`;
  return undefined;
}

/** Both kernel.msgmax and kernel/msgmax are written (component-helpers, NormalizeName): the first separator decides. */
function normalise(name: string): string {
  const [separator] = /[./]/.exec(name) ?? [];
  if (separator !== '/') return name;
  return name.replace(/[./]/g, (found) => (found === '/' ? '.' : '/'));
}
