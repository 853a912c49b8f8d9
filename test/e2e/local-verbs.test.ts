/**
 * kubectl's verbs against local mode and the real API server: what kubectl prints and how it exits is the same, but for
 * names, times and versions. What a row needs, the rows before it have made.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startLocalApi } from '../../agent/local/index.ts';
import { silentLogger } from '../../base/log.ts';
import { createNamespace, describeOnCluster, useCluster, type TestCluster } from '../support/fixture.ts';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';

const POD = (name: string, more = '') => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: x}}
spec:
  schedulerName: nobody # so that it stays as it is written
  containers:
    - name: c
      image: example/i:1
      args: [a]
      env: [{name: A, value: "1"}]
      resources: {limits: {cpu: 0.5, memory: 2048Ki}}
${more}`;

const CONFIG_MAP = (data: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, labels: {app: x}}
data: {${data}}
`;

interface Row {
  readonly args: readonly string[];
  readonly input?: string;
}

const row = (line: string, input?: string): Row => ({
  args: line.split(' '),
  ...(input === undefined ? {} : { input }),
});
const patch = (type: string, name: string, content: object): Row => ({
  args: ['patch', name.split('/')[0] ?? '', name.split('/')[1] ?? '', `--type=${type}`, '-p', JSON.stringify(content)],
});

const ROWS: readonly Row[] = [
  // ConfigMaps
  row('create configmap a --from-literal=x=y'),
  row('create configmap a --from-literal=x=y'),
  row('create configmap UPPER --from-literal=x=y'),
  row('create configmap bad --from-literal=a/b=y'),
  row('get configmap a'),
  row('get configmap a -o yaml'),
  row('get configmap a -o json'),
  row('get configmap a -o name'),
  row('get configmap a -o wide'),
  row('get configmap a -o jsonpath={.data.x}'),
  row('get configmap a -o custom-columns=N:.metadata.name,X:.data.x'),
  row('get configmap nope'),
  row('get configmaps -l app=x'),
  row('describe configmap a'),
  row('label configmap a app=x'),
  row('label configmap a app=y'),
  row('label configmap a app=y --overwrite'),
  row('label configmap a app!bad=1'),
  row('annotate configmap a note=one'),
  row('get configmaps -l app=y --show-labels'),
  row('get configmaps -l app=y -L app'),
  row('get configmaps --field-selector metadata.name=a'),
  row('get configmaps --field-selector nothing=a'),
  row('get configmap a --no-headers'),
  patch('merge', 'configmap/a', { data: { x: null, z: '1' } }),
  patch('merge', 'configmap/a', { data: { z: '1' } }),
  patch('strategic', 'configmap/a', { data: { q: '2' } }),
  patch('json', 'configmap/a', [{ op: 'replace', path: '/data/q', value: '3' }]),
  patch('json', 'configmap/a', [{ op: 'remove', path: '/data/nope' }]),
  patch('merge', 'configmap/nope', { data: {} }),
  row('get configmap a -o jsonpath={.data}'),
  row('apply -f -', CONFIG_MAP('a: "1"')),
  row('apply -f -', CONFIG_MAP('a: "1"')),
  row('apply -f -', CONFIG_MAP('b: "2"')),
  row('diff -f -', CONFIG_MAP('b: "2"')),
  row('get configmap applied -o jsonpath={.data}'),
  row('apply -f - --dry-run=server', CONFIG_MAP('c: "3"')),
  row('apply -f - --dry-run=client', CONFIG_MAP('c: "3"')),
  row('create -f - --dry-run=server -o yaml', CONFIG_MAP('c: "3"').replace('applied', 'dry')),
  row('replace -f -', CONFIG_MAP('d: "4"')),
  row('replace -f -', CONFIG_MAP('d: "4"').replace('applied', 'absent')),
  row('apply -f -', `${CONFIG_MAP('e: "5"')}immutable: true\n`),
  row('apply -f -', `${CONFIG_MAP('e: "6"')}immutable: true\n`),
  row('apply -f -', `${CONFIG_MAP('e: "5"')}foo: bar\n`),
  row('create -f -', `${CONFIG_MAP('e: "5"').replace('applied', 'unknown')}foo: bar\n`),
  row('create -f - --validate=warn', `${CONFIG_MAP('e: "5"').replace('applied', 'unknown')}foo: bar\n`),
  row('create -f - --validate=false', `${CONFIG_MAP('e: "5"').replace('applied', 'unknown')}foo: bar\n`),
  row('explain configmap.data'),
  row('explain configmap.nope'),
  row('wait --for=jsonpath={.data.e}=5 configmap/applied --timeout=5s'),
  row('wait --for=delete configmap/nope --timeout=5s'),
  row('delete configmap unknown --dry-run=server'),
  row('delete configmap unknown'),
  row('delete configmap unknown'),
  row('delete configmap unknown --ignore-not-found'),
  row('delete configmaps -l app=y'),
  row('get configmaps -l app=y'),
  // Secrets
  row('create secret generic s --from-literal=user=me --from-literal=password=secret'),
  row('create secret generic s --from-literal=user=me'),
  row('create secret docker-registry r --docker-server=example.com --docker-username=u --docker-password=p'),
  row('get secrets'),
  row('get secret s -o yaml'),
  row('get secret r -o jsonpath={.type}'),
  row('describe secret s'),
  row('apply -f -', 'apiVersion: v1\nkind: Secret\nmetadata: {name: t}\nstringData: {a: text}\n'),
  row('get secret t -o jsonpath={.data.a}'),
  row('apply -f -', 'apiVersion: v1\nkind: Secret\nmetadata: {name: u}\ntype: kubernetes.io/tls\ndata: {}\n'),
  row('apply -f -', 'apiVersion: v1\nkind: Secret\nmetadata: {name: u}\ndata: {a: "%"}\n'),
  patch('merge', 'secret/s', { type: 'other' }),
  row('get secrets --field-selector type=Opaque'),
  row('delete secret s t'),
  // Pods
  row('apply -f -', POD('p')),
  row('apply -f -', POD('p')),
  row('get pods'),
  row('get pods -o wide'),
  row('get pod p -o yaml'),
  row('get pods -o name'),
  row('get pods -A --field-selector metadata.name=p --no-headers=false -o custom-columns=NAME:.metadata.name'),
  row('describe pod p'),
  row('label pod p tier=back'),
  row('set image pod/p c=example/i:2'),
  row('get pod p -o jsonpath={.metadata.generation}'),
  row('apply -f -', POD('p2', '      foo: bar')),
  row('apply -f -', POD('p2').replace('name: c', 'name: C_')),
  row('apply -f -', POD('p2').replace('image: example/i:1', 'imagePullPolicy: Sometimes')),
  row('apply -f -', POD('p2', '      volumeMounts: [{name: v, mountPath: /v}]')),
  row('apply -f -', POD('p2', '      ports: [{containerPort: 70000}]')),
  row('apply -f -', POD('p2').replace('memory: 2048Ki}', 'memory: 2048Ki}, requests: {memory: 4Mi}')),
  row('apply -f -', POD('p2', '  restartPolicy: Perhaps')),
  row('apply -f -', POD('p2', '  runtimeClassName: nope')),
  row('apply -f -', POD('p2', '  serviceAccountName: nope')),
  row('apply -f -', POD('p2', '  priorityClassName: nope')),
  row('apply -f -', POD('p2', '  containers: []')),
  row('run r --image=example/r --restart=Never --dry-run=server -o yaml'),
  row('logs nope'),
  row('logs p'),
  row('exec nope -- true'),
  row('get pods --field-selector status.phase=Pending'),
  row('get pods --field-selector status.phase!=Pending'),
  row('get pods,configmaps -l app=x -o name'),
  row('wait --for=condition=Ready pod/p --timeout=0s'),
  row('delete pod p --wait=false'),
  row('get pod p'),
  row('delete pod p'),
  // Others
  row('create serviceaccount robot'),
  row('get serviceaccount robot'),
  row('describe serviceaccount robot'),
  row('create configmap a --from-literal=x=y -n nowhere'),
  row('get nothing'),
  row('get pods -n nowhere'),
  row('auth can-i create pods'),
  row('delete serviceaccount robot'),
];

/** What differs between two servers and two runs, made the same. */
function modulo(text: string, namespace: string): string {
  return (
    text
      .replaceAll(namespace, 'NAMESPACE')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
      .replace(/(resourceVersion"?: ?)"\d+"/g, '$1"N"')
      .replace(/kube-api-access-\w{5}/g, 'kube-api-access-RAND')
      .replace(/https:\/\/127\.0\.0\.1:\d+/g, 'SERVER')
      .replace(/\/tmp\/\S+/g, 'FILE')
      .replace(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000/g, 'TIME')
      // Ages, and the width of their column.
      .replace(/ +\d+[smh]\d*s?(?: +(?= \S)|(?= |$))/gm, ' AGE')
      // The API server adds a diff of Go structures to this one.
      .replace(/(pod updates may not change fields other than [^\n]*)\n[\s\S]*/, '$1')
  );
}

describeOnCluster('kubectl on local mode', () => {
  let cluster: TestCluster;
  let folder: string;
  let local: Awaited<ReturnType<typeof startLocalApi>>;
  let ours: Kubectl;
  let namespace: string;
  let dispose: () => Promise<void>;

  beforeAll(async () => {
    cluster = useCluster();
    folder = await mkdtemp(join(tmpdir(), 'wasmlet-verbs-'));
    local = await startLocalApi({ root: folder, port: 0, nodeName: 'node', logger: silentLogger });
    ours = createKubectl(cluster.kubectlPath, local.kubeconfig, join(folder, 'cache'));
    const created = await createNamespace('verbs');
    namespace = created.name;
    dispose = async () => await created[Symbol.asyncDispose]();
    await ours.ok(['create', 'namespace', namespace]);
    await ours.ok(['wait', '--for=create', 'serviceaccount/default', '-n', namespace]);
  });
  afterAll(async () => {
    await dispose();
    await local[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('each verb prints what it prints on the real API server, and exits as there', async () => {
    const run = async (kubectl: Kubectl, { args, input }: Row): Promise<string> => {
      const scoped = args.includes('-n') ? args : ['-n', namespace, ...args];
      const { stdout, stderr, exitCode } = await kubectl(scoped, input === undefined ? {} : { input });
      return modulo(`$ kubectl ${args.join(' ')}\n${stdout}${stderr}(exit ${String(exitCode)})\n`, namespace);
    };
    const collect = async (kubectl: Kubectl): Promise<string[]> => {
      const printed: string[] = [];
      for (const each of ROWS) printed.push(await run(kubectl, each));
      return printed;
    };
    const [here, there] = await Promise.all([collect(ours), collect(cluster.kubectl)]);
    expect(here).toEqual(there);
  }, 600_000);

  test('what is not served is refused by name, and says where it is', async () => {
    const deployment = await ours(['create', 'deployment', 'd', '--image=example/i:1']);
    expect(deployment.exitCode).not.toBe(0);
    expect(deployment.stderr).toContain("deployments.apps are not served by wasmlet's local mode");
    const applied = await ours(['apply', '--server-side', '-f', '-'], { input: CONFIG_MAP('a: "1"') });
    expect(applied.stderr).toContain('server-side apply is not part of');
    expect((await ours.ok(['get', 'all'])).trim()).toBe('');
  });
});
