import { createHash } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';
import type { Pod } from '../../kube/types.ts';
import { CONFIG_HASH } from '../pod-source.ts';
import { apiReferenceOf } from './api-references.ts';
import { withDefaults } from './defaults.ts';
import { manifestSchema, type Manifest } from './manifest-schema.ts';

export interface ManifestPlace {
  /** Path of its file: part of what the pod's UID is made of. */
  readonly file: string;
  readonly nodeName: string;
}

/**
 * Makes the pod of a manifest, YAML or JSON, as the kubelet does (pkg/kubelet/config/common.go): with the API's
 * defaults, the node's name behind its own, a UID that changes with the manifest, and bound to this node.
 * @throws WasmletError InvalidArgument saying what is wrong with it
 */
export function parseManifest(text: string, place: ManifestPlace): Pod {
  const manifest = check(parse(text));
  const { name, namespace = 'default', uid = hashOf(manifest, place), annotations } = manifest.metadata;
  const nodeName = place.nodeName;
  // The schema has seen to the types of all that is read.
  const pod = withDefaults(manifest as unknown as Pod);
  const reference = apiReferenceOf(pod);
  if (reference !== undefined) throw invalid(`static pods may not reference ${reference}`);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      name: `${name}-${nodeName.toLowerCase()}`,
      namespace,
      uid,
      annotations: { ...annotations, [CONFIG_HASH]: uid },
    },
    spec: { containers: [], ...pod.spec, nodeName, tolerations: withNoExecute(pod) },
    status: { phase: 'Pending' },
  };
}

const invalid = (why: string): WasmletError => new WasmletError('InvalidArgument', `invalid pod: ${why}`);

function parse(text: string): unknown {
  // As the kubelet, YAML 1.1, and the first document: what follows it is not read.
  const [document] = parseAllDocuments(text, { version: '1.1' });
  if (!document) throw invalid('the file is empty');
  const [error] = document.errors;
  if (error) throw new WasmletError('InvalidArgument', `couldn't parse as pod(${error.message})`, { cause: error });
  return document.toJS();
}

function check(value: unknown): Manifest {
  const checked = manifestSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw invalid(z.prettifyError(checked.error));
}

/** 128 bits in hexadecimal digits, as the kubelet's, of the manifest, the node's name and the file's. */
function hashOf(manifest: Manifest, { file, nodeName }: ManifestPlace): string {
  const hash = createHash('sha256').update(JSON.stringify(sorted(manifest)));
  return hash.update(`host:${nodeName}file:${file}`).digest('hex').slice(0, 32);
}

/** In which order fields are written changes no pod. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

/** Static pods are not driven from a node that has problems. */
function withNoExecute({ spec }: Pod): NonNullable<Pod['spec']>['tolerations'] & object {
  const own = spec?.tolerations ?? [];
  const has = own.some(({ operator, effect, key }) => operator === 'Exists' && effect === 'NoExecute' && !key);
  return has ? own : [...own, { operator: 'Exists', effect: 'NoExecute' }];
}
