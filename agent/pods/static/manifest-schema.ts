import { z } from 'zod';
import { parseQuantity } from '../../config/quantity.ts';

/**
 * What a manifest must be for the agent to work with its pod: the types of all that is read of it, names, and what
 * must be there. Whatever else the API asks of a pod, the API server asks of the mirror pod.
 */

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const label = z.string().regex(DNS_LABEL, 'a DNS label: lower case letters, digits and -, at most 63');
const strings = z.record(z.string(), z.string());
const port = z.number().int().min(1).max(65535);
const portOrName = z.union([port, z.string().min(1)]);

function isQuantity(text: string | number): boolean {
  try {
    parseQuantity(String(text));
    return true;
  } catch {
    return false;
  }
}

/** Numbers too: YAML has `cpu: 1`. */
const quantity = z.union([z.string(), z.number()]).refine(isQuantity, 'a quantity, for example 100m or 64Mi');
const resourceList = z.record(z.string(), quantity.transform(String));
const resources = z.looseObject({ requests: resourceList.optional(), limits: resourceList.optional() });

const httpGet = z.looseObject({
  host: z.string().optional(),
  port: portOrName,
  path: z.string().optional(),
  scheme: z.string().optional(),
  httpHeaders: z.array(z.looseObject({ name: z.string(), value: z.string() })).optional(),
});
const tcpSocket = z.looseObject({ host: z.string().optional(), port: portOrName });
const exec = z.looseObject({ command: z.array(z.string()).min(1) });
const seconds = z.number().int().min(0);

const probe = z.looseObject({
  exec: exec.optional(),
  httpGet: httpGet.optional(),
  tcpSocket: tcpSocket.optional(),
  grpc: z.looseObject({ port, service: z.string().optional() }).optional(),
  initialDelaySeconds: seconds.optional(),
  timeoutSeconds: seconds.optional(),
  periodSeconds: seconds.optional(),
  successThreshold: seconds.optional(),
  failureThreshold: seconds.optional(),
  terminationGracePeriodSeconds: z.number().int().min(1).optional(),
});

const hook = z.looseObject({
  exec: exec.optional(),
  httpGet: httpGet.optional(),
  tcpSocket: tcpSocket.optional(),
  sleep: z.looseObject({ seconds }).optional(),
});

const envVar = z.looseObject({
  name: z.string().min(1),
  value: z.string().optional(),
  valueFrom: z
    .looseObject({
      fieldRef: z.looseObject({ fieldPath: z.string() }).optional(),
      resourceFieldRef: z.looseObject({ resource: z.string() }).optional(),
      configMapKeyRef: z.looseObject({ key: z.string() }).optional(),
      secretKeyRef: z.looseObject({ key: z.string() }).optional(),
    })
    .optional(),
});

const container = z.looseObject({
  name: label,
  image: z.string().min(1),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  workingDir: z.string().optional(),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).optional(),
  terminationMessagePath: z.string().optional(),
  terminationMessagePolicy: z.enum(['File', 'FallbackToLogsOnError']).optional(),
  env: z.array(envVar).optional(),
  envFrom: z
    .array(z.looseObject({ configMapRef: z.looseObject({}).optional(), secretRef: z.looseObject({}).optional() }))
    .optional(),
  ports: z
    .array(
      z.looseObject({
        name: z.string().optional(),
        containerPort: port,
        hostPort: z.number().int().min(0).max(65535).optional(),
        hostIP: z.string().optional(),
        protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
      }),
    )
    .optional(),
  resources: resources.optional(),
  volumeMounts: z
    .array(
      z.looseObject({
        name: z.string(),
        mountPath: z.string().min(1),
        subPath: z.string().optional(),
        subPathExpr: z.string().optional(),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
  lifecycle: z.looseObject({ postStart: hook.optional(), preStop: hook.optional() }).optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  startupProbe: probe.optional(),
  securityContext: z.looseObject({ runAsUser: z.number().int().optional() }).optional(),
  stdin: z.boolean().optional(),
  tty: z.boolean().optional(),
});

const volume = z.looseObject({
  name: label,
  hostPath: z.looseObject({ path: z.string(), type: z.string().optional() }).optional(),
  emptyDir: z
    .looseObject({ medium: z.string().optional(), sizeLimit: quantity.transform(String).optional() })
    .optional(),
  downwardAPI: z.looseObject({ items: z.array(z.looseObject({ path: z.string() })).optional() }).optional(),
  projected: z.looseObject({ sources: z.array(z.looseObject({})).optional() }).optional(),
});

const spec = z.looseObject({
  containers: z.array(container).min(1),
  initContainers: z.array(container).optional(),
  ephemeralContainers: z
    .array(z.unknown())
    .max(0, 'cannot be set on create: they are added to a pod that runs')
    .optional(),
  volumes: z.array(volume).optional(),
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).optional(),
  terminationGracePeriodSeconds: seconds.optional(),
  activeDeadlineSeconds: z.number().int().min(1).optional(),
  dnsPolicy: z.enum(['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']).optional(),
  hostNetwork: z.boolean().optional(),
  hostUsers: z.boolean().optional(),
  hostname: label.optional(),
  nodeSelector: strings.optional(),
  tolerations: z.array(z.looseObject({})).optional(),
  runtimeClassName: z.string().optional(),
  serviceAccountName: z.string().optional(),
  imagePullSecrets: z.array(z.looseObject({ name: z.string().optional() })).optional(),
  enableServiceLinks: z.boolean().optional(),
  resources: resources.optional(),
  securityContext: z.looseObject({ runAsUser: z.number().int().optional() }).optional(),
});

export const manifestSchema = z
  .looseObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Pod'),
    metadata: z.looseObject({
      name: z.string('name is needed for the pod').regex(DNS_SUBDOMAIN, 'a DNS subdomain').max(253),
      namespace: label.optional(),
      uid: z.string().min(1).optional(),
      labels: strings.optional(),
      annotations: strings.optional(),
    }),
    spec,
  })
  .superRefine(({ spec: { containers, initContainers = [], volumes = [] } }, context) => {
    const fault = (message: string): void => context.addIssue({ code: 'custom', path: ['spec'], message });
    const all = [...initContainers, ...containers];
    for (const name of duplicates(all.map(({ name }) => name))) fault(`two containers are called "${name}"`);
    for (const name of duplicates(volumes.map(({ name }) => name))) fault(`two volumes are called "${name}"`);
    const known = new Set(volumes.map(({ name }) => name));
    for (const { name, volumeMounts = [] } of all) {
      for (const mount of volumeMounts) {
        if (!known.has(mount.name)) fault(`container "${name}" mounts a volume "${mount.name}" that there is not`);
      }
    }
  });

export type Manifest = z.infer<typeof manifestSchema>;

const duplicates = (names: readonly string[]): string[] => [
  ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];
