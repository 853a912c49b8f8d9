import type { Pod } from '../../kube/types.ts';
import { containersOf, initContainersOf, isRestartableInit } from '../spec.ts';

const ANY_IP = '0.0.0.0';

interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** Of all that runs as long as the pod: containers and sidecars (pkg/scheduler/util, GetHostPorts). */
function hostPortsOf(pod: Pod): HostPort[] {
  return [...initContainersOf(pod).filter(isRestartableInit), ...containersOf(pod)]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort }) => (hostPort ?? 0) > 0)
    .map(({ hostIP, protocol, hostPort }) => ({
      ip: hostIP === undefined || hostIP === '' ? ANY_IP : hostIP,
      protocol: protocol ?? 'TCP',
      port: hostPort ?? 0,
    }));
}

function conflicts(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === ANY_IP || b.ip === ANY_IP;
}

/** Whether a port of the node that the pod wants is one that another pod has (the scheduler's plugin NodePorts). */
export function portsConflict(pod: Pod, otherPods: readonly Pod[]): boolean {
  const wanted = hostPortsOf(pod);
  if (wanted.length === 0) return false;
  const taken = otherPods.flatMap(hostPortsOf);
  return wanted.some((port) => taken.some((other) => conflicts(port, other)));
}
