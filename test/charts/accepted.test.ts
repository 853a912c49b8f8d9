/**
 * What the API server says of the chart's objects where it looks closely: every field has to be one that the kind has,
 * by Kubernetes' own schemas and by that of the Prometheus operator; and pods have to keep to a security standard.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { KubeObject } from '../../agent/kube/types.ts';
import { PROJECT } from '../support/agent.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { serviceMonitorDefinition } from '../support/operator-crd.ts';
import { ChartRelease } from './chart-release.ts';
import { MODES, objectsOf } from './helm.ts';

/** Of a test, with what is built and downloaded the first time, where much else runs. */
const TIMEOUT_MS = 600_000;
/** Each value that adds something, as JSON by its path. */
const EVERYTHING = {
  'image.digest': `sha256:${'0'.repeat(64)}`,
  imagePullSecrets: [{ name: 'registry' }],
  'unprivileged.persistence.enabled': true,
  'unprivileged.persistence.storageClassName': '-',
  'unprivileged.persistence.selector': { matchLabels: { 'example.com/for': 'wasmlet' } },
  'unprivileged.persistence.annotations': { 'example.com/backup': 'no' },
  'unprivileged.updateStrategy': 'OnDelete',
  'full.maxUnavailable': '10%',
  'serviceAccount.annotations': { 'example.com/owner': 'platform' },
  'networkPolicy.enabled': true,
  'networkPolicy.apiServer': [{ ipBlock: { cidr: '192.0.2.0/24' } }],
  'networkPolicy.guests': [{ ports: [{ port: 8080 }] }],
  'serviceMonitor.enabled': true,
  'serviceMonitor.labels': { release: 'prometheus' },
  commonLabels: { 'example.com/team': 'platform' },
  podAnnotations: { 'example.com/note': 'x' },
  podLabels: { 'example.com/cost': '7' },
  extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy.example.com:3128' }],
  extraVolumes: [{ name: 'certificate', secret: { secretName: 'certificate' } }],
  extraVolumeMounts: [{ name: 'certificate', mountPath: '/etc/certificate', readOnly: true }],
  tolerations: [{ key: 'wasm', operator: 'Exists' }],
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'DoNotSchedule' },
  ],
  priorityClassName: 'system-node-critical',
};

/** The label by which a namespace says which pods it takes. */
const STANDARD = 'pod-security.kubernetes.io/enforce';
const CLUSTER_WIDE = new Set(['ClusterRole', 'ClusterRoleBinding', 'Namespace', 'RuntimeClass']);

/** What a refusal is. */
interface Status {
  readonly reason?: string;
  readonly message?: string;
}

interface Workload extends KubeObject {
  readonly spec?: { readonly template?: { readonly spec?: object } };
}

interface ServiceMonitor extends KubeObject {
  readonly spec: { readonly endpoints: readonly { readonly path: string }[] };
}

describeOnCluster('the API server', () => {
  const stack = new AsyncDisposableStack();
  let release: ChartRelease;

  beforeAll(async () => {
    release = stack.use(await ChartRelease.prepare({ 'serviceMonitor.enabled': true }));
    const { kubectl } = release.cluster;
    const definition = await serviceMonitorDefinition();
    const { metadata } = parse(await readFile(definition, 'utf8')) as { metadata: { name: string } };
    const name = `crd/${metadata.name}`;
    // An existing cluster may have it, and keeps it.
    if ((await kubectl(['get', name])).exitCode !== 0) {
      await kubectl.ok(['create', '-f', definition]);
      stack.defer(async () => {
        await kubectl.ok(['delete', name]);
      });
    }
    await kubectl.ok(['wait', '--for=condition=Established', '--timeout=60s', name]);
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  /** What the API server says of objects that it would make: for each that it refuses, its message. */
  const refusals = async (objects: readonly KubeObject[]) => {
    const { api, namespace } = release;
    const answers = objects.map(withAccount).map(async (object) => {
      const query = 'dryRun=All&fieldValidation=Strict';
      const { status, body } = await api.request<Status>('POST', `${listPath(object, namespace)}?${query}`, object);
      // Fields are looked at before it is found that there is one by that name: the cluster's runtime classes.
      return status === 201 || body.reason === 'AlreadyExists' ? [] : [`${object.kind}: ${body.message}`];
    });
    return (await Promise.all(answers)).flat();
  };

  test.each(MODES)('takes all that the chart makes in mode %s', { timeout: TIMEOUT_MS }, async (mode) => {
    const made = await release.template({ ...EVERYTHING, mode });
    expect(made.map(({ kind }) => kind)).toContain('ServiceMonitor');
    expect(await refusals(made)).toEqual([]);
  });

  test.each(MODES)('takes manifests/%s', { timeout: TIMEOUT_MS }, async (mode) => {
    const { cluster, namespace } = release;
    const made = objectsOf(await cluster.kubectl.ok(['kustomize', join(PROJECT, 'manifests', mode)]));
    // One that is there, in place of the one among them.
    for (const { metadata } of made) if (metadata?.namespace !== undefined) Object.assign(metadata, { namespace });
    expect(await refusals(made)).toEqual([]);
  });

  test('refuses a field of an endpoint that the operator does not know', { timeout: TIMEOUT_MS }, async () => {
    const made = await release.template({ 'serviceMonitor.endpoint': { intervall: '30s' } });
    const refused = await refusals(made);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(/^ServiceMonitor: .*unknown field "spec\.endpoints\[0\]\.intervall"/);
  });

  test('installs the ServiceMonitor, and drops none of its fields', { timeout: TIMEOUT_MS }, async () => {
    const { namespace, name, api } = release;
    const values = { 'unprivileged.replicas': 0, 'departure.enabled': false };
    await release.command('install', values);
    const made = (await release.template(values)).find(({ kind }) => kind === 'ServiceMonitor') as ServiceMonitor;
    const path = `/apis/monitoring.coreos.com/v1/namespaces/${namespace}/servicemonitors/${name}`;
    const { body } = await api.request<ServiceMonitor>('GET', path);
    expect(body.spec).toMatchObject(made.spec);
    expect(body.spec.endpoints).toHaveLength(4);
    const upgrade = release.command('upgrade', { ...values, 'serviceMonitor.endpoint': { intervall: '30s' } });
    await expect(upgrade).rejects.toThrow(/intervall/);
  });

  test.each([
    ['takes', 'unprivileged'],
    ['refuses', 'full'],
  ] as const)('%s pods of mode %s where the standard is "restricted"', { timeout: TIMEOUT_MS }, async (_, mode) => {
    const { cluster, namespace } = release;
    await cluster.kubectl.ok(['label', 'ns', namespace, '--overwrite', `${STANDARD}=restricted`]);
    const pods = (await release.template({ ...EVERYTHING, mode, 'unprivileged.persistence.enabled': false })).flatMap(
      podOf,
    );
    expect(pods.length).toBeGreaterThan(2);
    const refused = await refusals(pods);
    if (mode === 'unprivileged') expect(refused).toEqual([]);
    else expect(refused.join()).toMatch(/violates PodSecurity "restricted:latest": .*privileged/);
  });
});

/** Where objects of its kind are made. */
function listPath({ apiVersion = '', kind = '' }: KubeObject, namespace: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const inside = CLUSTER_WIDE.has(kind) ? '' : `/namespaces/${namespace}`;
  const plural = kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se');
  return `${root}${inside}/${plural}s`;
}

/** A pod with an account that is there: its own exists while a hook runs. */
function withAccount(object: KubeObject): KubeObject {
  const { kind, spec } = object as Workload;
  return kind === 'Pod' ? ({ ...object, spec: { ...spec, serviceAccountName: 'default' } } as KubeObject) : object;
}

/** The pod that an object is, or makes. */
function podOf(object: KubeObject): KubeObject[] {
  const { kind, metadata, spec } = object as Workload;
  const podSpec = kind === 'Pod' ? spec : spec?.template?.spec;
  if (podSpec === undefined) return [];
  return [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: metadata?.name ?? '' }, spec: podSpec } as KubeObject];
}
