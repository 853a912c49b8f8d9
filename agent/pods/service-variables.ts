import { isIPv6 } from 'node:net';
import type { Service } from '../kube/types.ts';

/** Services of the master namespace that every pod is told of, whatever its enableServiceLinks says. */
const MASTER_SERVICES = ['kubernetes'];

export interface ServiceVariablesRequest {
  readonly services: readonly Service[];
  /** The pod's. */
  readonly namespace: string;
  readonly enableServiceLinks: boolean;
  readonly masterServiceNamespace: string;
}

/**
 * Variables that tell a container where services are (pkg/kubelet/kubelet_pods.go, getServiceEnvVarMap;
 * pkg/kubelet/envvars): {SVC}_SERVICE_HOST, {SVC}_SERVICE_PORT[_NAME] and Docker's link variables.
 */
export function serviceVariables(request: ServiceVariablesRequest): Map<string, string> {
  const variables = new Map<string, string>();
  for (const service of visibleServices(request)) addServiceVariables(variables, service);
  return variables;
}

/** By name: a service of the pod's own namespace stands before the master service of the same name. */
function visibleServices(request: ServiceVariablesRequest): Service[] {
  const visible = new Map<string, Service>();
  for (const service of request.services) {
    const { name = '', namespace } = service.metadata ?? {};
    const clusterIP = service.spec?.clusterIP ?? '';
    if (clusterIP === '' || clusterIP === 'None') continue;
    const isMaster = namespace === request.masterServiceNamespace && MASTER_SERVICES.includes(name);
    if (isMaster) {
      if (!visible.has(name)) visible.set(name, service);
    } else if (namespace === request.namespace && request.enableServiceLinks) {
      visible.set(name, service);
    }
  }
  return [...visible.keys()].sort().flatMap((name) => visible.get(name) ?? []);
}

function addServiceVariables(variables: Map<string, string>, service: Service): void {
  const prefix = variableName(service.metadata?.name ?? '');
  const address = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  variables.set(`${prefix}_SERVICE_HOST`, address);
  if (ports[0]) variables.set(`${prefix}_SERVICE_PORT`, String(ports[0].port));
  for (const { name, port } of ports) {
    if (name) variables.set(`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port));
  }
  for (const [index, { port, protocol: given }] of ports.entries()) {
    const protocol = given ?? 'TCP';
    const url = `${protocol.toLowerCase()}://${isIPv6(address) ? `[${address}]` : address}:${port}`;
    const link = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    variables.set(link, url);
    variables.set(`${link}_PROTO`, protocol.toLowerCase());
    variables.set(`${link}_PORT`, String(port));
    variables.set(`${link}_ADDR`, address);
  }
}

const variableName = (name: string): string => name.replaceAll('-', '_').toUpperCase();
