import type { Registry } from '../registry/registry.ts';
import { namespaces, runtimeClasses } from '../resources/cluster.ts';
import { configMaps } from '../resources/data.ts';
import type { ApiObject } from '../storage/object.ts';

/** The namespaces of every cluster. */
const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];

const SCHEDULING = {
  nodeSelector: { 'kubernetes.io/arch': 'wasm', 'kubernetes.io/os': 'wasip1' },
  tolerations: [{ key: 'kubernetes.io/arch', operator: 'Equal', value: 'wasm', effect: 'NoSchedule' }],
};

/** Those of manifests/runtimeclasses.yaml: what a pod of each class needs beside its guest. */
const CLASSES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  wasm: { cpu: '2m', memory: '12Mi' },
  'wasm-shared': { memory: '512Ki' },
  'wasm-interpreter': { cpu: '2m', memory: '18Mi' },
};

/** What there is from the first start on; what a user has changed or taken away stays as it is. */
export function seed(registry: Registry, authority: string): void {
  const isFirst = registry.store.revision === 0;
  for (const name of NAMESPACES) {
    if (!registry.find({ resource: namespaces, namespace: '', name })) {
      registry.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, '');
    }
  }
  if (isFirst) for (const name of Object.keys(CLASSES)) registry.create(runtimeClasses, runtimeClass(name), '');
  publishAuthority(registry, authority);
}

export const runtimeClass = (name: string): ApiObject => ({
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: { name },
  handler: name,
  overhead: { podFixed: CLASSES[name] },
  scheduling: SCHEDULING,
});

/** Where nodes read which client certificates to believe. */
function publishAuthority(registry: Registry, authority: string): void {
  const name = 'extension-apiserver-authentication';
  const place = { resource: configMaps, namespace: 'kube-system', name };
  const data = { 'client-ca-file': authority };
  if (registry.find(place)) registry.update(place, 'free', (object) => ({ ...object, data }));
  else registry.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }, 'kube-system');
}
