import { readFile, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../agent/config/schema.ts';
import type { KubeObject } from '../../agent/kube/types.ts';
import { VERSION } from '../../base/version.ts';
import { PROJECT } from '../support/agent.ts';
import { whyNoGo } from '../support/tools.ts';
import { CHART, createHelm, MODES, objectsOf, type Helm } from './helm.ts';
import { manifestFile, manifestOf } from './manifests.ts';

/** Helm is built from source the first time. */
const TOOL_TIMEOUT_MS = 600_000;
const why = await whyNoGo();

/** Every key of the values that holds no further ones, with its value. */
function leavesOf(values: object, path = ''): [string, unknown][] {
  return Object.entries(values).flatMap(([key, value]: [string, unknown]) => {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    const name = `${path}${key}`;
    return isMap && Object.keys(value).length > 0 && !/[sS]elector|esources|apacity|\.cni/.test(name)
      ? leavesOf(value, `${name}.`)
      : [[name, value]];
  });
}

describe.skipIf(why !== undefined)(why === undefined ? 'the chart' : `the chart (skipped: ${why})`, () => {
  let helm: Helm;

  beforeAll(async () => {
    const folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-helm-'));
    helm = await createHelm(folder.path);
    return () => folder.remove();
  }, TOOL_TIMEOUT_MS);

  const template = async (...args: string[]) =>
    helm.ok(['template', 'wasmlet', CHART, '--namespace', 'wasmlet', ...args]);

  test('is of the version of the agent', async () => {
    const chart = parse(await readFile(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
    expect(chart).toMatchObject({ version: VERSION, appVersion: VERSION });
  });

  test.each(MODES)('has no fault that helm lint finds, in mode %s', async (mode) => {
    expect(await helm.ok(['lint', '--strict', '--set', `mode=${mode}`, CHART])).toContain('0 chart(s) failed');
  });

  test.each(MODES)('makes, in mode %s, what is expected', async (mode) => {
    await expect(await template('--set', `mode=${mode}`)).toMatchFileSnapshot(`__snapshots__/${mode}.yaml`);
  });

  test('makes, with all that is off by default, what is expected', async () => {
    const values = ['networkPolicy.enabled', 'serviceMonitor.enabled', 'unprivileged.persistence.enabled'];
    const digest = `image.digest=sha256:${'0'.repeat(64)}`;
    const sets = [
      ...values.map((name) => `${name}=true`),
      'unprivileged.replicas=3',
      'unprivileged.updateStrategy=OnDelete',
      'priorityClassName=high',
      digest,
    ];
    const json = [
      'networkPolicy.guests=[{"ports":[{"port":8080}]}]',
      'tolerations=[{"key":"wasm","operator":"Exists"}]',
      'imagePullSecrets=[{"name":"registry"}]',
      'topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"ScheduleAnyway"}]',
      'nodeLabels={"example.com/rack":"7"}',
      'config={"logLevel":"debug","port":10251}',
      'unprivileged.persistence={"storageClassName":"-","annotations":{"example.com/backup":"no"}}',
      'unprivileged.persistence.selector={"matchLabels":{"example.com/for":"wasmlet"}}',
      'serviceAccount.annotations={"example.com/owner":"platform"}',
      'commonLabels={"example.com/team":"platform","app.kubernetes.io/name":"not this"}',
      'podLabels={"example.com/cost":"7"}',
      'extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy.example.com:3128"}]',
      'extraVolumes=[{"name":"certificate","secret":{"secretName":"certificate"}}]',
      'extraVolumeMounts=[{"name":"certificate","mountPath":"/etc/certificate","readOnly":true}]',
    ];
    const made = await template(
      ...sets.flatMap((set) => ['--set', set]),
      ...json.flatMap((set) => ['--set-json', set]),
    );
    await expect(made).toMatchFileSnapshot('__snapshots__/everything.yaml');
  });

  test.each(MODES)('configures the agent, in mode %s, with options that there are', async (mode) => {
    const objects = objectsOf(await template('--set', `mode=${mode}`));
    const map = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: { 'config.yaml': string } };
    const config = configSchema.parse(parse(map.data['config.yaml']));
    expect(config.nodeLabels).toEqual({ 'wasmlet.dev/release': 'wasmlet.wasmlet' });
    expect(config.podsOnShutdown).toBe(mode === 'full' ? 'leave' : 'end');
  });

  test.each([
    ['mode=both', /mode/],
    ['modes=full', /modes/],
    ['unprivileged.replicas=-1', /replicas/],
    ['unprivileged.port=70000', /port/],
    ['unprivileged.resources.limits.memory=lots', /memory/],
    ['unprivileged.resources.limits=null', /limits/],
    ['unprivileged.shutdownGracePeriod=60', /shutdownGracePeriod/],
    ['unprivileged.shutdownGracePeriod=1m30s', /terminationGracePeriodSeconds is 90, and has to be longer/],
    ['unprivileged.updateStrategy=Recreate', /updateStrategy/],
    ['full.rootDir=var/lib', /rootDir/],
    ['full.nodeNamePrefix=Wasm-', /nodeNamePrefix/],
    ['image.repository=', /repository/],
    ['image.pullPolicy=Sometimes', /pullPolicy/],
    ['image.digest=latest', /digest/],
    ['unprivileged.persistence.accessModes={ReadOnlyMany}', /accessModes/],
    ['unprivileged.persistence.retention.whenScaled=Keep', /whenScaled/],
    ['full.maxUnavailable=half', /maxUnavailable/],
    ['departure.timeout=soon', /timeout/],
  ])('refuses %s, by name', async (set, name) => {
    const { exitCode, stderr } = await helm(['template', 'wasmlet', CHART, '--set', set]);
    expect(stderr).toMatch(name);
    expect(exitCode).toBe(1);
  });

  test('has the runtime classes of manifests/runtimeclasses.yaml', async () => {
    const isClass = ({ kind }: { kind?: string }): boolean => kind === 'RuntimeClass';
    const byName = (objects: ReturnType<typeof objectsOf>): Record<string, KubeObject> =>
      Object.fromEntries(
        objects.filter(isClass).map((object): [string, KubeObject] => [object.metadata?.name ?? '', object]),
      );
    const made = byName(objectsOf(await template()));
    for (const { metadata } of Object.values(made)) delete metadata?.labels;
    expect(made).toEqual(byName(objectsOf(await readFile(join(PROJECT, 'manifests/runtimeclasses.yaml'), 'utf8'))));
  });

  test.each(MODES)('is what manifests/%s was made of', async (mode) => {
    expect(await readFile(manifestFile(mode), 'utf8'), 'npm run manifests makes it anew').toBe(
      await manifestOf(helm, mode),
    );
  });

  test.each(MODES)('gives the agent, in mode %s, no rule on secrets, pods or tokens', async (mode) => {
    const roles = objectsOf(await template('--set', `mode=${mode}`, '--no-hooks')).filter(({ kind }) =>
      /Role$/.test(kind ?? ''),
    );
    expect(roles.map((role) => (role as unknown as { rules: unknown }).rules)).toEqual([
      [
        {
          apiGroups: ['certificates.k8s.io'],
          resources: ['certificatesigningrequests'],
          verbs: ['create', 'get'],
        },
        { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/nodeclient'], verbs: ['create'] },
      ],
    ]);
  });

  test('has every value in docs/reference/chart.md, with its default', async () => {
    const values = parse(await readFile(join(CHART, 'values.yaml'), 'utf8')) as object;
    const docs = await readFile(join(PROJECT, 'docs/reference/chart.md'), 'utf8');
    const rows = new Map(
      [...docs.matchAll(/^\| `([^`]+)` +\| ([^|]*?) +\|/gm)].map(([, name, value]) => [
        name,
        value?.replaceAll('`', ''),
      ]),
    );
    const written = leavesOf(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    for (const [name, value] of written) expect(`${name}: ${rows.get(name)}`).toBe(`${name}: ${value}`);
  });
});
