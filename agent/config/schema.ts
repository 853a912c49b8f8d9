import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { labelProblem } from '../node/labels.ts';

/**
 * The whole configuration: one frozen, validated object made at the edge from flags, file and environment. Names are
 * the kubelet's (KubeletConfiguration) where it has one.
 */

const quantity = z
  .string()
  .regex(/^\d+(\.\d+)?([EPTGMk]|[EPTGM]i|Ki|m)?$/, 'a Kubernetes quantity, for example 500m, 1Gi');
const duration = z.string().regex(/^(\d+(ms|s|m|h))+$/, 'a duration, for example 300ms, 10s, 5m');

const threshold = z
  .string()
  .regex(
    /^(\d+(\.\d+)?%|\d+(\.\d+)?([EPTGMk]|[EPTGM]i|Ki|m)?)$/,
    'a quantity or a percentage, for example 100Mi or 10%',
  );

const subnet = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** The kubelet's userNsUnitLength. */
const USER_IDS_UNIT = 65_536;

/** math.MaxUint32 */
const MAX_USER_ID = 0xffff_ffff;

const taint = z.strictObject({
  key: z.string().min(1),
  value: z.string().default(''),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
});

/** pkg/kubelet/apis/config/validation/validation_linux.go. As text too: one of a map's values, in a flag. */
const idsPerPod = z.coerce
  .number()
  .int()
  .superRefine((ids, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
    if (ids < USER_IDS_UNIT) refuse(`must not be less than ${USER_IDS_UNIT}`);
    else if (ids % USER_IDS_UNIT !== 0) refuse(`must be a multiple of ${USER_IDS_UNIT}`);
    else if (ids > MAX_USER_ID) refuse(`must not be more than ${MAX_USER_ID}`);
  });

const handler = z.strictObject({
  engine: z.enum(['v8', 'interpreter']).default('v8'),
  isolation: z.enum(['process', 'shared']).default('process'),
});

const options = z.strictObject({
  nodeName: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'a DNS subdomain in lower case')
    .max(253)
    .default(() => hostname().toLowerCase())
    .describe('Name of the Node object'),
  rootDir: z
    .string()
    .startsWith('/')
    .default('/var/lib/wasmlet')
    .describe('State: images, pods, certificates, runtime'),
  podLogsDir: z.string().startsWith('/').default('/var/log/pods').describe('Where container logs are written'),
  containerLogsDir: z.string().startsWith('/').default('/var/log/containers').describe('Legacy links to the logs'),

  kubeconfig: z
    .string()
    .default('')
    .describe('Credentials of the node; empty: <rootDir>/pki certificate, or in-cluster bootstrap'),
  bootstrapKubeconfig: z
    .string()
    .default('')
    .describe(
      "Credentials used once, to obtain the node's own certificate; empty: the pod's service account, when there is one",
    ),
  kubeAPIQPS: z.number().positive().default(50).describe('Requests per second to the API server'),
  kubeAPIBurst: z.number().int().positive().default(100).describe('Requests to the API server at once'),

  staticPodPath: z
    .string()
    .regex(/^(\/.*)?$/, 'an absolute path')
    .default('')
    .describe('Folder of the manifests of static pods, or one such file; empty: there are none (docs/static-pods.md)'),
  fileCheckFrequency: duration
    .default('20s')
    .describe('How often staticPodPath is read although no change was heard of'),

  registerNode: z.boolean().default(true).describe('Create the Node object; otherwise someone else does'),
  nodeLabels: z
    .record(z.string(), z.string())
    .superRefine((labels, context) => {
      for (const [key, value] of Object.entries(labels)) {
        const message = labelProblem(key, value);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      }
    })
    .default({})
    .describe('Labels beyond the default ones, or in their place'),
  registerWithTaints: z
    .array(taint)
    .default([{ key: 'kubernetes.io/arch', value: 'wasm', effect: 'NoSchedule' }])
    .describe('Taints of the Node object when it is created'),
  nodeIP: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .max(2)
    .default([])
    .describe('Addresses of the node; empty: found out'),
  providerID: z.string().default('').describe('spec.providerID, for clusters whose cloud controller asks for it'),
  maxPods: z.number().int().positive().default(500).describe('How many pods the node takes'),
  capacity: z
    .strictObject({ cpu: quantity.optional(), memory: quantity.optional(), 'ephemeral-storage': quantity.optional() })
    .default({})
    .describe(
      "Capacity in place of what the agent's cgroup or the machine shows, where several nodes share one machine",
    ),
  systemReserved: z
    .strictObject({ cpu: quantity.optional(), memory: quantity.optional(), 'ephemeral-storage': quantity.optional() })
    .default({})
    .describe('Taken from the capacity; the rest is allocatable to pods'),
  nodeStatusUpdateFrequency: duration.default('10s').describe('How often conditions are read'),
  nodeStatusReportFrequency: duration.default('5m').describe('How often status is sent when nothing changed'),
  nodeLeaseDurationSeconds: z
    .number()
    .int()
    .positive()
    .default(40)
    .describe('Duration of the lease; it is renewed every quarter of it'),
  evictionHard: z
    .strictObject({
      'memory.available': threshold.default('100Mi'),
      'nodefs.available': threshold.default('10%'),
      'nodefs.inodesFree': threshold.default('5%'),
      'pid.available': threshold.default('5%'),
    })
    .prefault({})
    .describe('Thresholds of the pressure conditions: a quantity or a percentage'),
  evictionPressureTransitionPeriod: duration
    .default('5m')
    .describe('How long a pressure condition stays after the pressure has gone'),

  address: z.union([z.ipv4(), z.ipv6()]).default('0.0.0.0').describe("Where the node's HTTPS API listens"),
  port: z.number().int().min(0).max(65535).default(10250).describe("Port of the node's HTTPS API; 0: any free one"),
  tlsCertFile: z.string().default('').describe('Empty: a self-signed certificate in <rootDir>/pki'),
  tlsPrivateKeyFile: z.string().default('').describe('Key of tlsCertFile'),
  clientCAFile: z.string().default('').describe('Authority of client certificates; empty: that of the kubeconfig'),
  streamingConnectionIdleTimeout: duration
    .default('4h')
    .describe('An exec, attach or port-forward without traffic ends after so long'),

  serializeImagePulls: z.boolean().default(false).describe('Pull one image at a time'),
  maxParallelImagePulls: z.number().int().positive().default(4).describe('How many images are pulled at a time'),
  imagePullProgressDeadline: duration.default('1m').describe('A pull that makes no progress for so long is given up'),
  maxImageBytes: z
    .number()
    .int()
    .positive()
    .default(4 * 1024 ** 3)
    .describe('Bytes of one image, packed and unpacked, at the most'),
  insecureRegistries: z
    .array(z.string())
    .default([])
    .describe("'host:port' of registries reached by plain HTTP; loopback is, without being named"),

  containerLogMaxSize: quantity.default('10Mi').describe('Size at which a container log is rotated'),
  containerLogMaxFiles: z
    .number()
    .int()
    .min(2)
    .default(5)
    .describe("Files that a container's log may have, the current one included"),
  maxContainerRestartPeriod: duration.default('5m').describe('Ceiling of the CrashLoopBackOff delay'),
  syncFrequency: duration.default('1m').describe('How often a pod that did not change is looked at again'),

  runtimeSocket: z.string().default('').describe('Socket of the runtime supervisor; empty: <rootDir>/runtime.sock'),
  startRuntime: z.boolean().default(true).describe('Start a supervisor where none answers'),
  runtimeLauncher: z
    .array(z.string())
    .default([])
    .describe(
      "Program, with its arguments, that is given the supervisor's command line to run it elsewhere, for example outside of the agent's container (docs/install.md)",
    ),
  runtimeHandlers: z
    .record(z.string(), handler)
    .default({
      wasm: { engine: 'v8', isolation: 'process' },
      'wasm-shared': { engine: 'v8', isolation: 'shared' },
      'wasm-interpreter': { engine: 'interpreter', isolation: 'process' },
    })
    .describe('RuntimeClass handlers and how each runs a pod'),
  maxContainersPerHost: z
    .number()
    .int()
    .min(1)
    .max(2000)
    .default(250)
    .describe("Containers that share one host process at the most, where their handler's isolation is shared"),
  defaultRuntimeHandler: z.string().default('wasm').describe('For pods without a runtime class'),
  cgroupRoot: z
    .string()
    .regex(/^(\/|(\/[A-Za-z0-9_.:@-]+)*)$/, "'' or an absolute path of a control group, for example /wasmlet")
    .default('/wasmlet')
    .describe("Control group that those of pods are made in, as the kubelet's; empty: none are made (docs/limits.md)"),
  podPidsLimit: z
    .number()
    .int()
    .min(-1)
    .default(1024)
    .describe('Processes and threads of one pod at the most; -1: no limit'),
  clusterDNS: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .default([])
    .describe("Addresses of the cluster's DNS service, for pods with dnsPolicy ClusterFirst"),
  clusterDomain: z.string().default('').describe('DNS domain of the cluster, for example cluster.local'),
  resolvConf: z
    .string()
    .default('/etc/resolv.conf')
    .describe(
      "The node's resolver configuration, for pods with dnsPolicy Default; empty: the machine's own name server",
    ),
  cniConfDir: z
    .string()
    .regex(/^(\/.*)?$/, 'an absolute path')
    .default('')
    .describe('Network configurations (CNI), usually /etc/cni/net.d; empty: pods share the address of the node'),
  cniBinDir: z.string().startsWith('/').default('/opt/cni/bin').describe('Network plugins (CNI)'),
  podBindAddresses: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .default([])
    .describe(
      "Addresses of this machine that pods without a network of their own listen on; empty: the node's own (nodeIP)",
    ),
  guestAllowLoopback: z
    .boolean()
    .default(false)
    .describe("Whether guests may reach, and listen on, the node's loopback (docs/sockets.md)"),
  guestAllowAddresses: z
    .array(subnet)
    .default([])
    .describe('Addresses and subnets that guests may reach although something else here says no'),
  guestDenyAddresses: z
    .array(subnet)
    .default(['169.254.0.0/16', 'fe80::/10'])
    .describe('Addresses and subnets that guests may not reach; by default link-local ones: cloud metadata'),
  posixExtension: z
    .boolean()
    .default(true)
    .describe('Whether guests may import `wasmlet_posix_v1`: modes, owners, pipes, signals (docs/wasi-posix.md)'),
  confinement: z
    .enum(['required', 'preferred', 'none'])
    .default('preferred')
    .describe('Whether hosts have to be confined by all means, by those that there are, or not (docs/confinement.md)'),
  userNamespaces: z
    .strictObject({ idsPerPod: idsPerPod.default(USER_IDS_UNIT) })
    .prefault({})
    .describe('How many ids of users and groups a host has: idsPerPod, a multiple of 65536 (docs/confinement.md)'),
  criSocket: z
    .string()
    .default('unix:///run/wasmlet/cri.sock')
    .describe('Where `wasmlet cri` serves the Container Runtime Interface'),
  podsOnShutdown: z
    .enum(['leave', 'end'])
    .default('leave')
    .describe('What becomes of the pods when the agent is told to stop'),
  shutdownGracePeriod: duration.default('30s').describe("With podsOnShutdown 'end': at most so long"),

  logLevel: z.enum(['error', 'warn', 'info', 'debug']).default('info').describe('Least severe level that is logged'),
  logFormat: z.enum(['json', 'human']).default('json').describe('Form of the log'),
});

/** What options must be to one another. */
export const configSchema = options.superRefine((config, context) => {
  if (!Object.hasOwn(config.runtimeHandlers, config.defaultRuntimeHandler)) {
    const names = Object.keys(config.runtimeHandlers).join(', ');
    const message = `expected one of the runtimeHandlers: ${names}`;
    context.addIssue({ code: 'custom', path: ['defaultRuntimeHandler'], message });
  }
  if ((config.tlsCertFile === '') !== (config.tlsPrivateKeyFile === '')) {
    const message = 'tlsCertFile and tlsPrivateKeyFile go together: give both or none';
    context.addIssue({ code: 'custom', path: ['tlsCertFile'], message });
  }
});

export type Config = Readonly<z.infer<typeof configSchema>>;

/** The supervisor's socket, whether configured or not. */
export const runtimeSocketOf = (config: Config): string => config.runtimeSocket || join(config.rootDir, 'runtime.sock');
