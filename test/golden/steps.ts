import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../agent/kube/types.ts';
import { WasmletError } from '../../base/errors.ts';
import type { Api } from '../support/api.ts';
import { holds, type Step } from './case.ts';
import type { ManifestFolder } from './manifest-folder.ts';
import type { Recorder } from './recorder.ts';

/** How long a step waits; the slowest thing awaited is the second restart after a back-off of ten seconds. */
const WAIT_MS = 120_000;

/** Collections of the kinds that cases are made of, within a namespace's path or, cluster-wide, absolute. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  Pod: 'pods',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  PersistentVolumeClaim: 'persistentvolumeclaims',
};

export interface Play {
  readonly api: Api;
  /** '/api/v1/namespaces/NAME' */
  readonly path: string;
  readonly recorder: Recorder;
  /** Name of the pod that steps are about which name none. */
  readonly firstPod: string;
  /** Makes a pod's manifest one for the node. */
  readonly prepare: (object: KubeObject) => KubeObject;
  readonly manifests: ManifestFolder;
}

/** Plays a case's steps one after the other. @throws WasmletError naming the step that did not come to pass */
export async function playSteps(play: Play, steps: readonly Step[]): Promise<void> {
  // What one step has waited for, the next may wait for anew: each looks at what came since, and at how it stands.
  let since: Marks = { pods: new Map(), events: 0 };
  for (const step of steps) {
    const next = marksOf(play.recorder);
    await playStep(play, step, since);
    since = next;
  }
}

/** How much had been seen when a step began. */
interface Marks {
  readonly pods: ReadonlyMap<string, number>;
  readonly events: number;
}

function marksOf({ pods, events }: Recorder): Marks {
  return { pods: new Map([...pods].map(([name, { versions }]) => [name, versions.length])), events: events.length };
}

async function playStep(play: Play, step: Step, since: Marks): Promise<void> {
  const { recorder } = play;
  if ('waitForPod' in step) {
    const name = step.pod ?? play.firstPod;
    const versions = () => recorder.pods.get(name)?.versions.slice(Math.max(0, (since.pods.get(name) ?? 0) - 1)) ?? [];
    const isSeen = () => versions().some(({ pod }) => holds(pod, step.waitForPod));
    await recorder.until(`pod ${name} as ${JSON.stringify(step.waitForPod)}`, isSeen, WAIT_MS);
    if (step.last) recorder.cut(({ pod }) => pod.metadata?.name === name && holds(pod, step.waitForPod));
  } else if ('waitForEvent' in step) {
    const isSeen = () => recorder.events.some((event) => holds(event, step.waitForEvent));
    await recorder.until(`event ${JSON.stringify(step.waitForEvent)}`, isSeen, WAIT_MS);
  } else if ('waitUntilGone' in step) {
    const isGone = () => recorder.pods.get(step.waitUntilGone)?.gone ?? false;
    await recorder.until(`the end of pod ${step.waitUntilGone}`, isGone, WAIT_MS);
  } else if ('watchForSeconds' in step) {
    await delay(step.watchForSeconds * 1000);
  } else if ('manifest' in step) {
    await play.manifests.write(step.manifest, step.holds);
  } else if ('removeManifest' in step) {
    await play.manifests.remove(step.removeManifest);
  } else {
    await change(play, step);
  }
}

type Change = Extract<Step, { apply: unknown } | { delete: unknown } | { patch: unknown }>;

async function change(play: Play, step: Change): Promise<void> {
  if ('apply' in step) {
    await applyObject(play, step.apply);
  } else if ('delete' in step) {
    const grace = step.gracePeriodSeconds;
    const query = grace === undefined ? '' : `?gracePeriodSeconds=${grace}`;
    await request(play.api, 'DELETE', `${play.path}/${step.delete}${query}`);
  } else {
    const path = `${play.path}/${step.patch}${step.subresource === undefined ? '' : `/${step.subresource}`}`;
    await request(play.api, 'PATCH', path, step.with, 'application/strategic-merge-patch+json');
  }
}

/** Creates an object of a case in its namespace. */
export async function applyObject(
  { api, path, prepare }: Pick<Play, 'api' | 'path' | 'prepare'>,
  object: KubeObject,
): Promise<void> {
  const collection = COLLECTIONS[object.kind ?? ''];
  if (collection === undefined)
    throw new WasmletError('InvalidConfig', `no case can have a ${object.kind ?? 'nothing'}`);
  await request(api, 'POST', `${path}/${collection}`, prepare(object));
}

async function request(api: Api, method: string, path: string, body?: object, contentType?: string): Promise<void> {
  const { status, body: answer } = await api.request(method, path, body, contentType);
  if (status >= 300) throw new WasmletError('Internal', `${method} ${path}: HTTP ${status} ${JSON.stringify(answer)}`);
}
