import { describe, expect, test } from 'vitest';
import { parseManifest } from './manifest.ts';

const place = { file: '/etc/manifests/web.yaml', nodeName: 'Node-1' };

const MINIMAL = `
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  containers: [{ name: app, image: example.test/app }]
`;

const withSpec = (spec: object): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec });

const app = { name: 'app', image: 'example.test/app:1' };

describe('a manifest', () => {
  test('becomes a pod of this node, with the defaults of the API', () => {
    const pod = parseManifest(MINIMAL, place);
    const uid = pod.metadata?.uid ?? '';
    expect(uid).toMatch(/^[0-9a-f]{32}$/);
    expect(pod).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'web-node-1',
        namespace: 'default',
        uid,
        annotations: { 'kubernetes.io/config.hash': uid },
      },
      spec: {
        nodeName: 'Node-1',
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        dnsPolicy: 'ClusterFirst',
        schedulerName: 'default-scheduler',
        securityContext: {},
        enableServiceLinks: true,
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
        containers: [
          {
            name: 'app',
            image: 'example.test/app',
            imagePullPolicy: 'Always',
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
            resources: {},
          },
        ],
      },
      status: { phase: 'Pending' },
    });
  });

  test('has defaults for probes, hooks, ports, variables, resources and volumes', () => {
    const container = {
      ...app,
      env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: 1, memory: '1Gi' }, requests: { cpu: '500m' } },
      livenessProbe: { httpGet: { port: 80 } },
      readinessProbe: { grpc: { port: 90 }, periodSeconds: 3 },
      lifecycle: { preStop: { httpGet: { port: 'web', path: '/stop' } } },
    };
    const volumes = [{ name: 'none' }, { name: 'host', hostPath: { path: '/' } }, { name: 'down', downwardAPI: {} }];
    const { spec } = parseManifest(withSpec({ hostNetwork: true, containers: [container], volumes }), place);
    expect(spec?.containers[0]).toMatchObject({
      imagePullPolicy: 'IfNotPresent',
      env: [{ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }],
      ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
      resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
      livenessProbe: {
        httpGet: { port: 80, path: '/', scheme: 'HTTP' },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3,
      },
      readinessProbe: { grpc: { port: 90, service: '' }, periodSeconds: 3 },
      lifecycle: { preStop: { httpGet: { port: 'web', path: '/stop', scheme: 'HTTP' } } },
    });
    expect(spec?.volumes).toEqual([
      { name: 'none', emptyDir: {} },
      { name: 'host', hostPath: { path: '/', type: '' } },
      { name: 'down', downwardAPI: { defaultMode: 0o644 } },
    ]);
  });

  test('has a UID that changes with the pod, its file and its node, and not with how it is written', () => {
    const uidOf = (text: string, where = place) => parseManifest(text, where).metadata?.uid;
    const uid = uidOf(MINIMAL);
    expect(uidOf(MINIMAL.replace('metadata', '# a comment\nmetadata'))).toBe(uid);
    expect(uidOf(withSpec({ containers: [{ image: 'example.test/app', name: 'app' }] }))).toBe(uid);
    expect(uidOf(MINIMAL.replace('example.test/app', 'example.test/app:2'))).not.toBe(uid);
    expect(uidOf(MINIMAL, { ...place, file: '/etc/manifests/other.yaml' })).not.toBe(uid);
    expect(uidOf(MINIMAL, { ...place, nodeName: 'node-2' })).not.toBe(uid);
    expect(uidOf(MINIMAL.replace('name: web', 'name: web, uid: mine'))).toBe('mine');
  });

  test.each([
    ['', /the file is empty|expected object/],
    ['kind: [Pod', /couldn't parse as pod/],
    ['kind: Service', /invalid pod/],
    [MINIMAL.replace('name: web', 'labels: {}'), /name is needed for the pod/],
    [withSpec({ containers: [] }), /spec\.containers/],
    [withSpec({ containers: [{ ...app, args: [1] }] }), /spec\.containers\[0\]\.args\[0\]/],
    [withSpec({ containers: [app, app] }), /two containers are called "app"/],
    [withSpec({ containers: [{ ...app, volumeMounts: [{ name: 'no', mountPath: '/a' }] }] }), /mounts a volume "no"/],
    [withSpec({ containers: [app], ephemeralContainers: [app] }), /cannot be set on create/],
    [withSpec({ containers: [app], serviceAccountName: 'x' }), /static pods may not reference serviceaccounts$/],
    [withSpec({ containers: [app], imagePullSecrets: [{ name: 'x' }] }), /may not reference secrets$/],
    [withSpec({ containers: [{ ...app, envFrom: [{ configMapRef: { name: 'x' } }] }] }), /reference configmaps$/],
    [
      withSpec({ containers: [app], volumes: [{ name: 'a', secret: { secretName: 'x' } }] }),
      /may not reference secrets \(via secret volumes\)$/,
    ],
    [
      withSpec({ containers: [app], volumes: [{ name: 'a', persistentVolumeClaim: { claimName: 'x' } }] }),
      /may not reference persistentvolumeclaims$/,
    ],
    [
      withSpec({
        containers: [app],
        volumes: [{ name: 'a', projected: { sources: [{ downwardAPI: {} }, { serviceAccountToken: { path: 'x' } }] } }],
      }),
      /may not reference serviceaccounts \(via projected volumes\)$/,
    ],
  ])('%s is refused', (text, why) => {
    expect(() => parseManifest(text, place)).toThrow(why);
  });
});
