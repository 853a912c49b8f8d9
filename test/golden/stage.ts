import { join } from 'node:path';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import { WasmletError } from '../../base/errors.ts';
import { startRegistry } from '../cluster/registry.ts';
import type { Api } from '../support/api.ts';
import { buildGuest, compileWat, type GuestName } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import { serveHealth } from './health-server.ts';

/** The node under test: our agent's, or a kubelet's. */
export interface GoldenNode {
  readonly nodeName: string;
  /** Folder in which it keeps the pods' files. */
  readonly rootDir: string;
  /** Folder in which it looks for static pods. */
  readonly staticPodPath: string;
}

export interface StageOptions {
  /** The administrator's. */
  readonly api: Api;
  /** Path of the API server's audit log. */
  readonly auditLog: string;
  /** 'HOST:PORT' of the open registry. */
  readonly registry: string;
  readonly node: GoldenNode;
}

/** What the cases are played on. */
export interface Stage extends StageOptions, AsyncDisposable {
  /** 'HOST:PORT' of a registry that asks for credentials. */
  readonly privateRegistry: string;
  /** Port on 127.0.0.1 of the health service that gRPC probes ask. */
  readonly healthPort: number;
}

/** The guests of the cases. */
const GUESTS = ['steps', 'trap', 'sleep'] as const satisfies readonly GuestName[];
/** A module that is valid and cannot be instantiated. */
const UNKNOWN_IMPORT = join(import.meta.dirname, '../workloads/wat/unknown-import.wat');
const PRIVATE_AUTH = { username: 'reader', password: 'secret' };
/** base64 of user and password, as a registry secret holds them. */
export const PRIVATE_AUTH_BASE64 = Buffer.from(`${PRIVATE_AUTH.username}:${PRIVATE_AUTH.password}`).toString('base64');

/**
 * Classes of the cases. They say nothing of node labels, taints and overhead, so that a kubelet, whose node cannot be
 * labelled as a Wasm node, takes the same pods.
 */
const RUNTIME_CLASSES = [
  { metadata: { name: 'golden' }, handler: 'wasm' },
  { metadata: { name: 'golden-unknown' }, handler: 'nowhere' },
];
export const RUNTIME_CLASS = 'golden';

/**
 * Pushes the images, makes the runtime classes and has the node pull what cases expect to be there:
 * REGISTRY/golden/NAME:1 for each guest.
 */
export async function openStage(options: StageOptions): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry({ htpasswd: PRIVATE_AUTH }));
  const health = stack.use(await serveHealth());
  await pushImages(options.registry, 'golden');
  await pushImage({
    registry: registry.address,
    repository: 'golden/steps',
    tag: '1',
    wasm: await buildGuest('steps'),
    auth: PRIVATE_AUTH,
  });
  for (const runtimeClass of RUNTIME_CLASSES) await makeRuntimeClass(options.api, runtimeClass);
  await pullAll(options);
  const owned = stack.move();
  return {
    ...options,
    privateRegistry: registry.address,
    healthPort: health.port,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Pushes an image of each guest and those that cannot run, as REGISTRY/PREFIX/NAME:1. */
export async function pushImages(registry: string, prefix: string): Promise<void> {
  const target = (name: string) => ({ registry, repository: `${prefix}/${name}`, tag: '1' });
  const push = async (guest: GuestName) => pushImage({ ...target(guest), wasm: await buildGuest(guest) });
  await Promise.all([
    ...GUESTS.map(push),
    pushImage({ ...target('unknown-import'), wasm: await compileWat(UNKNOWN_IMPORT) }),
    pushImage({ ...target('not-wasm'), wasm: Buffer.from('#!/bin/sh\necho no module\n') }),
    pushImage({ ...target('linux'), flavour: 'linux', wasm: await buildGuest('sleep') }),
  ]);
}

async function makeRuntimeClass(api: Api, runtimeClass: object): Promise<void> {
  const body = { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', ...runtimeClass };
  const { status } = await api.request('POST', '/apis/node.k8s.io/v1/runtimeclasses', body);
  // It is there already where a run uses an existing cluster.
  if (status >= 300 && status !== 409) throw new WasmletError('Internal', `runtime class: HTTP ${status}`);
}

/** Runs a pod of all guests until the node has their images. */
async function pullAll({ api, registry, node }: StageOptions): Promise<void> {
  const path = '/api/v1/namespaces/default/pods';
  const name = `pull-${node.nodeName}`;
  const containers = GUESTS.map((guest) => ({ name: guest, image: `${registry}/golden/${guest}:1` }));
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    ...{ spec: { nodeName: node.nodeName, runtimeClassName: RUNTIME_CLASS, restartPolicy: 'Never', containers } },
  };
  const { status, body } = await api.request('POST', path, pod);
  if (status >= 300) throw new WasmletError('Internal', `${name}: HTTP ${status} ${JSON.stringify(body)}`);
  const hasAll = (seen: Pod): boolean =>
    seen.status?.containerStatuses?.length === GUESTS.length &&
    seen.status.containerStatuses.every(({ state }) => state?.waiting === undefined);
  await api.waitFor<Pod>(path, hasAll, { fieldSelector: `metadata.name=${name}` });
  await api.request('DELETE', `${path}/${name}?gracePeriodSeconds=0`);
}
