import { randomBytes } from 'node:crypto';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import { WasmletError } from '../../base/errors.ts';
import { nodeRequests } from '../support/audit-log.ts';
import { podsOf, readCase, type Case } from './case.ts';
import { ManifestFolder, staticName } from './manifest-folder.ts';
import { Recorder } from './recorder.ts';
import { PRIVATE_AUTH_BASE64, pushImages, RUNTIME_CLASS, type Stage } from './stage.ts';
import { applyObject, playSteps, type Play } from './steps.ts';
import { eventsOf } from './trace/events.ts';
import { tracksOf } from './trace/milestones.ts';
import { normaliseStatus, normaliseText, type Volatile } from './trace/normalise.ts';
import type { PodTrace, Trace } from './trace/trace.ts';

/**
 * Plays one case in a namespace of its own and resolves to all that could be seen of it.
 * @throws WasmletError naming the step that did not come to pass
 */
export async function playCase(stage: Stage, name: string): Promise<{ played: Case; trace: Trace }> {
  const { api, node } = stage;
  const namespace = `golden-${randomBytes(4).toString('hex')}`;
  const path = `/api/v1/namespaces/${namespace}`;
  const played = await readCase(name, {
    REGISTRY: stage.registry,
    REGISTRY_PORT: stage.registry.split(':')[1] ?? '',
    OWN_REGISTRY: `${stage.registry}/${namespace}`,
    PRIVATE_REGISTRY: stage.privateRegistry,
    PRIVATE_AUTH: PRIVATE_AUTH_BASE64,
    GRPC_PORT: String(stage.healthPort),
    NAMESPACE: namespace,
    NODE: node.nodeName,
  });
  if (usesOwnImages(played)) await pushImages(stage.registry, namespace);
  await makeNamespace(stage, namespace, path);
  try {
    await using recorder = new Recorder(api, path);
    await using manifests = new ManifestFolder(node.staticPodPath, namespace);
    const firstPod = podsOf(played.objects)[0]?.metadata?.name ?? staticName('pod', node.nodeName);
    const prepare = (object: KubeObject) => forNode(object, node.nodeName);
    const play: Play = { api, path, recorder, firstPod, prepare, manifests };
    for (const object of played.objects) await applyObject(play, object);
    await playSteps(play, played.steps);
    await recorder.settle();
    await untilEventsAreWritten(stage);
    return { played, trace: await traceOf(stage, namespace, recorder) };
  } finally {
    await api.request('DELETE', path);
  }
}

const usesOwnImages = ({ objects }: Case): boolean => JSON.stringify(objects).includes('/golden-');

async function makeNamespace({ api }: Stage, name: string, path: string): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
  const { status } = await api.request('POST', '/api/v1/namespaces', body);
  if (status !== 201) throw new WasmletError('Internal', `namespace ${name}: HTTP ${status}`);
  // Pods are refused without the one, and wait for the other.
  await Promise.all([
    api.waitFor(`${path}/serviceaccounts`, () => true, { fieldSelector: 'metadata.name=default' }),
    api.waitFor(`${path}/configmaps`, () => true, { fieldSelector: 'metadata.name=kube-root-ca.crt' }),
  ]);
}

/**
 * A node writes its events one after the other: once that of a pod which it has just refused is there, all earlier ones
 * are.
 */
async function untilEventsAreWritten({ api, node }: Stage): Promise<void> {
  const path = '/api/v1/namespaces/default';
  const name = `marker-${randomBytes(4).toString('hex')}`;
  const spec = {
    nodeName: node.nodeName,
    runtimeClassName: RUNTIME_CLASS,
    nodeSelector: { 'example.com/marker': name },
    containers: [{ name: 'app', image: 'none' }],
  };
  await api.request('POST', `${path}/pods`, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
  await api.waitFor(`${path}/events`, () => true, { fieldSelector: `involvedObject.name=${name}` });
  await api.request('DELETE', `${path}/pods/${name}?gracePeriodSeconds=0`);
}

/** Binds a pod to the node and gives it the cases' runtime class, where its manifest says nothing else. */
function forNode(object: KubeObject, nodeName: string): KubeObject {
  if (object.kind !== 'Pod') return object;
  const { spec } = object as { spec?: object };
  return { ...object, ...{ spec: { nodeName, runtimeClassName: RUNTIME_CLASS, ...spec } } };
}

async function traceOf(stage: Stage, namespace: string, recorder: Recorder): Promise<Trace> {
  const lives = [...recorder.pods].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const volatile: Volatile = {
    nodeName: stage.node.nodeName,
    rootDir: stage.node.rootDir,
    namespace,
    registry: stage.registry,
    privateRegistry: stage.privateRegistry,
    uids: lives.flatMap(([, { versions }]) => versions.map(({ pod }) => pod.metadata?.uid ?? '')),
  };
  const pods = lives.map(([name, { versions, gone }]): [string, PodTrace] => [
    normaliseText(name, volatile),
    {
      tracks: tracksOf(versions, volatile),
      gone,
      end: normaliseStatus(versions.at(-1)?.pod.status, volatile),
      ...mirrorOf(versions.at(-1)?.pod, volatile),
    },
  ]);
  const calls = await nodeRequests(stage.auditLog, stage.node.nodeName, namespace);
  return {
    pods: Object.fromEntries(pods),
    events: eventsOf(recorder.eventsUntilCut(), volatile),
    calls: Object.fromEntries([...calls].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** What a mirror pod tells of the static pod that it stands for. */
function mirrorOf(pod: Pod | undefined, volatile: Volatile): Pick<PodTrace, 'mirror'> {
  const { annotations, labels, ownerReferences } = pod?.metadata ?? {};
  if (annotations?.['kubernetes.io/config.mirror'] === undefined) return {};
  return { mirror: normaliseStatus({ annotations, labels, ownerReferences, spec: pod?.spec }, volatile) };
}
