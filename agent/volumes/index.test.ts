import { mkdir, readdir, readFile, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { KubeObject, Pod, PodSpec, Volume } from '../kube/types.ts';
import { base64, examplePod, fakeObjects, temporaryFolder } from './fixtures.ts';
import { createVolumeManager, supportedVolumeTypes, whyUnsupported } from './index.ts';

const signal = new AbortController().signal;
/** linux/magic.h */
const TMPFS_MAGIC = 0x01021994;

async function setUp() {
  const folder = await temporaryFolder();
  const objects = fakeObjects();
  const refreshFailures: string[] = [];
  const tokenRequests: string[] = [];
  const manager = createVolumeManager({
    rootDir: folder.path,
    client: {
      create: <T extends KubeObject, R extends KubeObject = T>(path: string, _body: T): Promise<R> => {
        tokenRequests.push(path);
        const expirationTimestamp = new Date(Date.now() + 3_607_000).toISOString();
        const answer = {
          spec: { audiences: [], expirationSeconds: 3607 },
          status: { token: `token-${tokenRequests.length}`, expirationTimestamp },
        };
        return Promise.resolve(answer as unknown as R);
      },
    },
    objects,
    node: { allocatable: () => ({ cpu: '2', memory: '1Gi' }) },
    logger: silentLogger,
    onRefreshFailed: (_pod, message) => refreshFailures.push(message),
  });
  const volumeDir = (type: string, name: string) =>
    join(folder.path, 'pods', 'ns', 'uid-1', 'volumes', `kubernetes.io~${type}`, name);
  const mount = async (pod: Pod) => manager.mountPod(pod, signal);
  return {
    root: folder.path,
    objects,
    refreshFailures,
    tokenRequests,
    manager,
    mount,
    volumeDir,
    read: (type: string, name: string, path: string) => readFile(join(volumeDir(type, name), path), 'utf8'),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const podWith = (...volumes: Volume[]): Pod => examplePod({ volumes });
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

/** What the ServiceAccount admission plugin adds to nearly every pod. */
const kubeAPIAccess: Volume = {
  name: 'kube-api-access-x7k2p',
  projected: {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
  },
};

describe('mountPod', () => {
  test('gives a pod the volume that service account admission adds', async () => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/kube-root-ca.crt', { data: { 'ca.crt': 'CERT' } });
    await v.mount(podWith(kubeAPIAccess));
    const read = (path: string) => v.read('projected', kubeAPIAccess.name, path);
    expect([await read('token'), await read('ca.crt'), await read('namespace')]).toEqual(['token-1', 'CERT', 'ns']);
    await v.mount(podWith(kubeAPIAccess));
    expect(v.tokenRequests).toHaveLength(1);
  });

  test('makes an emptyDir that everyone may write, and keeps what is in it', async () => {
    await using v = await setUp();
    const pod = podWith({ name: 'a', emptyDir: {} }, { name: 'none' });
    await v.mount(pod);
    await writeFile(join(v.volumeDir('empty-dir', 'a'), 'file'), 'kept');
    await v.mount(pod);
    expect(await v.read('empty-dir', 'a', 'file')).toBe('kept');
    for (const name of ['a', 'none']) expect(await modeOf(v.volumeDir('empty-dir', name))).toBe(0o777);
  });

  test.runIf(process.getuid?.() === 0)('keeps an emptyDir of medium Memory in memory, within its limit', async () => {
    await using v = await setUp();
    const pod = podWith({ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } });
    await v.mount(pod);
    const dir = v.volumeDir('empty-dir', 'm');
    const { type, blocks, bsize } = await statfs(dir);
    await writeFile(join(dir, 'file'), 'kept');
    await v.mount(pod);
    const kept = await v.read('empty-dir', 'm', 'file');
    await v.manager.unmountPod('uid-1', 'ns');
    expect({ tmpfs: type === TMPFS_MAGIC, size: blocks * bsize, kept }).toEqual({
      tmpfs: true,
      size: 2 ** 20,
      kept: 'kept',
    });
    await expect(stat(dir)).rejects.toThrow('ENOENT');
  });

  test('lays out the keys of a ConfigMap, text and binary, with their modes', async () => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/c', { data: { a: 'ä', b: '2' }, binaryData: { raw: base64(Uint8Array.of(0, 255)) } });
    await v.mount(
      podWith(
        { name: 'all', configMap: { name: 'c', defaultMode: 0o400 } },
        { name: 'some', configMap: { name: 'c', items: [{ key: 'a', path: 'dir/x', mode: 0o444 }] } },
      ),
    );
    expect(await v.read('configmap', 'all', 'a')).toBe('ä');
    expect([...(await readFile(join(v.volumeDir('configmap', 'all'), 'raw')))]).toEqual([0, 255]);
    expect(await modeOf(join(v.volumeDir('configmap', 'all'), 'b'))).toBe(0o400);
    expect(await v.read('configmap', 'some', 'dir/x')).toBe('ä');
    expect(await modeOf(join(v.volumeDir('configmap', 'some'), 'dir/x'))).toBe(0o444);
    expect((await readdir(v.volumeDir('configmap', 'some'))).filter((name) => !name.startsWith('..'))).toEqual(['dir']);
  });

  test('brings a Secret up to date on the next call', async () => {
    await using v = await setUp();
    const pod = podWith({ name: 's', secret: { secretName: 's' } });
    v.objects.secrets.set('ns/s', { data: { key: base64('one') } });
    await v.mount(pod);
    v.objects.secrets.set('ns/s', { data: { key: base64('two'), more: base64('3') } });
    await v.mount(pod);
    expect(await v.read('secret', 's', 'key')).toBe('two');
    expect(await v.read('secret', 's', 'more')).toBe('3');
  });

  test('writes the downward API: labels, annotations and resources', async () => {
    await using v = await setUp();
    const pod = examplePod(
      {
        containers: [{ name: 'app', resources: { limits: { cpu: '1500m' } } }],
        volumes: [
          {
            name: 'd',
            downwardAPI: {
              items: [
                { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
                { path: 'one', fieldRef: { fieldPath: "metadata.annotations['note']" }, mode: 0o400 },
                { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } },
                { path: 'mem', resourceFieldRef: { containerName: 'app', resource: 'limits.memory', divisor: '1Mi' } },
              ],
            },
          },
        ],
      },
      { labels: { b: '2', a: '1' }, annotations: { note: 'hello' } },
    );
    await v.mount(pod);
    expect(await v.read('downward-api', 'd', 'labels')).toBe('a="1"\nb="2"');
    expect(await v.read('downward-api', 'd', 'one')).toBe('hello');
    expect(await modeOf(join(v.volumeDir('downward-api', 'd'), 'one'))).toBe(0o400);
    expect(await v.read('downward-api', 'd', 'cpu')).toBe('1500');
    expect(await v.read('downward-api', 'd', 'mem')).toBe('1024');
    await v.mount({ ...pod, metadata: { ...pod.metadata, labels: { a: 'new' } } });
    expect(await v.read('downward-api', 'd', 'labels')).toBe('a="new"');
  });

  test('takes the absence of optional objects and keys', async () => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/c', { data: { a: '1' } });
    const items = [
      { key: 'a', path: 'a' },
      { key: 'b', path: 'b' },
    ];
    await v.mount(
      podWith(
        { name: 'gone', secret: { secretName: 'gone', optional: true } },
        { name: 'partly', configMap: { name: 'c', optional: true, items } },
      ),
    );
    expect((await readdir(v.volumeDir('secret', 'gone'))).every((name) => name.startsWith('..'))).toBe(true);
    expect((await readdir(v.volumeDir('configmap', 'partly'))).filter((name) => !name.startsWith('..'))).toEqual(['a']);
  });

  const failures: [string, Volume, string, string][] = [
    [
      'a missing ConfigMap',
      { name: 'x', configMap: { name: 'y' } },
      'NotFound',
      'MountVolume.SetUp failed for volume "x" : configmap "y" not found',
    ],
    [
      'a missing Secret',
      { name: 'x', secret: { secretName: 'y' } },
      'NotFound',
      'MountVolume.SetUp failed for volume "x" : secret "y" not found',
    ],
    [
      'a missing key of a ConfigMap',
      { name: 'x', configMap: { name: 'there', items: [{ key: 'k', path: 'p' }] } },
      'InvalidArgument',
      'MountVolume.SetUp failed for volume "x" : configmap references non-existent config key: k',
    ],
    [
      'a missing key of a Secret',
      { name: 'x', secret: { secretName: 'there', items: [{ key: 'k', path: 'p' }] } },
      'InvalidArgument',
      'MountVolume.SetUp failed for volume "x" : references non-existent secret key: k',
    ],
    [
      'two faults of a projected volume',
      { name: 'x', projected: { sources: [{ configMap: { name: 'y' } }, { secret: { name: 'z' } }] } },
      'NotFound',
      'MountVolume.SetUp failed for volume "x" : [configmap "y" not found, secret "z" not found]',
    ],
    [
      'a container that the downward API cannot find',
      {
        name: 'x',
        downwardAPI: { items: [{ path: 'p', resourceFieldRef: { containerName: 'no', resource: 'limits.cpu' } }] },
      },
      'InvalidArgument',
      'MountVolume.SetUp failed for volume "x" : container no not found',
    ],
  ];
  test.each(failures)("tells of %s in the kubelet's words", async (_, volume, code, message) => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/there', {});
    v.objects.secrets.set('ns/there', {});
    await expect(v.mount(podWith(volume))).rejects.toMatchObject({ code, message });
  });

  test('sets the other volumes up when one fails, and tells of every failure', async () => {
    await using v = await setUp();
    const pod = podWith(
      { name: 'x', configMap: { name: 'y' } },
      { name: 'good', emptyDir: {} },
      { name: 'z', secret: { secretName: 'w' } },
    );
    await expect(v.mount(pod)).rejects.toThrow(
      'MountVolume.SetUp failed for volume "x" : configmap "y" not found; ' +
        'MountVolume.SetUp failed for volume "z" : secret "w" not found',
    );
    expect(await modeOf(v.volumeDir('empty-dir', 'good'))).toBe(0o777);
  });

  test('leaves a volume in use as it is when its source is gone or cannot be reached, and reports that', async () => {
    await using v = await setUp();
    const pod = podWith({ name: 'x', configMap: { name: 'c' } });
    v.objects.configMaps.set('ns/c', { data: { a: '1' } });
    await v.mount(pod);
    v.objects.configMaps.delete('ns/c');
    await v.mount(pod);
    v.objects.failure = new Error('connection refused');
    await v.mount(pod);
    expect(v.refreshFailures).toEqual([
      'MountVolume.SetUp failed for volume "x" : configmap "c" not found',
      'MountVolume.SetUp failed for volume "x" : connection refused',
    ]);
    expect(await v.read('configmap', 'x', 'a')).toBe('1');
  });

  test('is given up when its signal says so', async () => {
    await using v = await setUp();
    await expect(v.manager.mountPod(podWith({ name: 'a' }), AbortSignal.abort())).rejects.toMatchObject({
      code: 'Cancelled',
    });
  });

  test('shows mount points of other volumes inside a read-only one', async () => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/c', { data: { a: '1' } });
    const volumeMounts = [
      { name: 'c', mountPath: '/etc/app/' },
      { name: 'e', mountPath: '/etc/app/cache' },
      { name: 'e', mountPath: '/etc/app/cache/deep' },
      { name: 'e', mountPath: '/etc/application' },
    ];
    const volumes = [{ name: 'c', configMap: { name: 'c' } }, { name: 'e' }];
    await v.mount(examplePod({ volumes, containers: [{ name: 'app', volumeMounts }] }));
    const visible = (await readdir(v.volumeDir('configmap', 'c'))).filter((name) => !name.startsWith('..'));
    expect(visible.sort()).toEqual(['a', 'cache']);
    expect(await readdir(join(v.volumeDir('configmap', 'c'), 'cache'))).toEqual([]);
  });
});

describe('volumes that this node does not offer', () => {
  test.each<[Volume, RegExp]>([
    [
      { name: 'h', nfs: { path: '/', server: 'x' } },
      /volume "h" is of type nfs, which wasmlet nodes do not offer; use one/,
    ],
    [{ name: 'p', persistentVolumeClaim: { claimName: 'c' } }, /of type persistentVolumeClaim/],
    [{ name: 'e', emptyDir: { medium: 'HugePages' } }, /medium HugePages/],
    [
      { name: 'b', projected: { sources: [{ clusterTrustBundle: { name: 'b', path: 'p' } }] } },
      /projects a clusterTrustBundle/,
    ],
  ])('are refused by admission and by mounting alike: %j', async (volume, message) => {
    await using v = await setUp();
    expect(whyUnsupported(volume)).toMatch(message);
    await expect(v.mount(podWith(volume))).rejects.toMatchObject({ code: 'FailedPrecondition' });
    await expect(v.mount(podWith(volume))).rejects.toThrow(message);
  });

  test('are all but the ones listed', () => {
    expect(supportedVolumeTypes.map((type) => whyUnsupported({ name: 'v', [type]: {} }))).toEqual(
      supportedVolumeTypes.map(() => undefined),
    );
  });
});

describe('unmountPod and listPodsOnDisk', () => {
  test('remove all volumes of one pod and nothing else, as often as they are called', async () => {
    await using v = await setUp();
    v.objects.configMaps.set('ns/c', { data: { a: '1' } });
    v.objects.configMaps.set('ns/kube-root-ca.crt', { data: { 'ca.crt': 'CERT' } });
    const spec: Partial<PodSpec> = {
      volumes: [{ name: 'c', configMap: { name: 'c' } }, { name: 'e', emptyDir: {} }, kubeAPIAccess],
      containers: [{ name: 'app', volumeMounts: [{ name: 'c', mountPath: '/a', subPath: 'a' }] }],
    };
    const [one, two] = [examplePod(spec), examplePod(spec, { uid: 'uid-2' })];
    await v.mount(one);
    await v.mount(two);
    await v.manager.containerMounts(one, one.spec!.containers[0]!, []);
    const tooMuch = { namespace: 'ns', uid: 'uid-3' };
    await mkdir(join(v.root, 'pods', 'ns', tooMuch.uid, 'containers'), { recursive: true });
    expect(await v.manager.listPodsOnDisk()).toEqual([
      { namespace: 'ns', uid: 'uid-1' },
      { namespace: 'ns', uid: 'uid-2' },
    ]);

    await v.manager.unmountPod('uid-1', 'ns');
    await v.manager.unmountPod('uid-1', 'ns');
    expect(await v.manager.listPodsOnDisk()).toEqual([{ namespace: 'ns', uid: 'uid-2' }]);
    expect((await readdir(join(v.root, 'pods', 'ns'))).sort()).toEqual(['uid-2', 'uid-3']);
    await v.mount(one);
    expect(v.tokenRequests).toHaveLength(3);
  });

  test("leave other parts of the pod's folder alone", async () => {
    await using v = await setUp();
    await v.mount(podWith({ name: 'e' }));
    await writeFile(join(v.root, 'pods', 'ns', 'uid-1', 'sandbox.json'), '{}');
    await v.manager.unmountPod('uid-1', 'ns');
    expect(await readdir(join(v.root, 'pods', 'ns', 'uid-1'))).toEqual(['sandbox.json']);
  });

  test('know no pods on an empty disk', async () => {
    await using v = await setUp();
    expect(await v.manager.listPodsOnDisk()).toEqual([]);
    await v.manager.unmountPod('never-seen', 'ns');
  });

  test('refuse names that would leave the folder', async () => {
    await using v = await setUp();
    await expect(v.manager.unmountPod('..', 'ns')).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(v.manager.unmountPod('uid', 'a/b')).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('containerMounts', () => {
  const volumes: Volume[] = [
    { name: 'e', emptyDir: {} },
    { name: 'c', configMap: { name: 'c' } },
  ];
  const mountsOf = async (
    v: Awaited<ReturnType<typeof setUp>>,
    container: Partial<PodSpec['containers'][number]>,
    env: { name: string; value: string }[] = [],
  ) => {
    v.objects.configMaps.set('ns/c', { data: { a: '1' } });
    const pod = examplePod({ volumes, containers: [{ name: 'app', ...container }] });
    await v.mount(pod);
    return v.manager.containerMounts(pod, pod.spec!.containers[0]!, env);
  };

  test('are writable only where the volume and the mount both allow it, parents first', async () => {
    await using v = await setUp();
    const volumeMounts = [
      { name: 'e', mountPath: '/data/deep/down' },
      { name: 'c', mountPath: '/data/' },
      { name: 'e', mountPath: 'relative', readOnly: true },
    ];
    expect(await mountsOf(v, { volumeMounts })).toEqual([
      { containerPath: '/data', hostPath: v.volumeDir('configmap', 'c'), readonly: true },
      { containerPath: '/relative', hostPath: v.volumeDir('empty-dir', 'e'), readonly: true },
      { containerPath: '/data/deep/down', hostPath: v.volumeDir('empty-dir', 'e'), readonly: false },
    ]);
  });

  test('expand subPathExpr with the variables of the container', async () => {
    await using v = await setUp();
    const volumeMounts = [{ name: 'e', mountPath: '/logs', subPathExpr: '$(POD)/$$(POD)' }];
    const mounts = await mountsOf(v, { volumeMounts }, [{ name: 'POD', value: 'p-0' }]);
    expect(mounts[0]?.hostPath).toBe(join(v.volumeDir('empty-dir', 'e'), 'p-0', '$(POD)'));
    expect((await stat(mounts[0]!.hostPath)).isDirectory()).toBe(true);
  });

  test('give one key of a ConfigMap as a file', async () => {
    await using v = await setUp();
    const mounts = await mountsOf(v, { volumeMounts: [{ name: 'c', mountPath: '/etc/a', subPath: 'a' }] });
    expect(mounts).toEqual([
      {
        containerPath: '/etc/a',
        hostPath: join(v.root, 'pods/ns/uid-1/volume-subpaths/c/app/0'),
        readonly: true,
      },
    ]);
    expect(await readFile(mounts[0]!.hostPath, 'utf8')).toBe('1');
  });

  const mount = { name: 'e', mountPath: '/m' };
  test.each([
    [{ volumeMounts: [{ ...mount, name: 'no' }] }, 'cannot find volume "no" to mount into container "app"'],
    [{ volumeMounts: [{ ...mount, subPath: '../x' }] }, "unable to provision SubPath `../x`: must not contain '..'"],
    [{ volumeMounts: [{ ...mount, subPathExpr: '$(B)$(A)' }] }, 'missing value for A, B'],
    [
      { volumeMounts: [{ name: 'c', mountPath: '/m', subPath: 'a/b' }] },
      'failed to prepare subPath for volumeMount "c" of container "app"',
    ],
    [
      { volumeMounts: [{ ...mount, mountPropagation: 'Bidirectional' }] },
      'requested mount propagation "Bidirectional"',
    ],
    [
      { volumeMounts: [{ ...mount, recursiveReadOnly: 'Enabled' }] },
      'failed to resolve recursive read-only mode: volume "e" requested recursive read-only mode, but it is not read-only',
    ],
    [{ volumeMounts: [mount, { name: 'c', mountPath: '/m/' }] }, 'mounts two volumes at "/m"'],
    [{ volumeDevices: [{ name: 'e', devicePath: '/dev/x' }] }, 'cannot find volume "e" to pass into container "app"'],
  ])('are refused in the words of the kubelet: %j', async (container, message) => {
    await using v = await setUp();
    await expect(mountsOf(v, container)).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(mountsOf(v, container)).rejects.toThrow(message);
  });

  test('may ask for recursive read-only, which read-only always is here', async () => {
    await using v = await setUp();
    const volumeMounts = [{ ...mount, readOnly: true, recursiveReadOnly: 'Enabled' }];
    expect((await mountsOf(v, { volumeMounts }))[0]?.readonly).toBe(true);
  });
});
