import type { Resource } from '../resources/resource.ts';
import type { ApiObject } from '../storage/object.ts';

/** Which form of an answer a client asked for first that we have. */
export interface AnswerForm {
  readonly as: 'object' | 'table' | 'partial';
  /** Of meta.k8s.io, for tables and partial objects. */
  readonly version: string;
}

/** By the Accept header: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'. */
export function answerForm(accept: string | undefined): AnswerForm {
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    if (type !== 'application/json' && type !== '*/*') continue;
    const given = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string]));
    const as = given.get('as');
    const version = given.get('v') ?? 'v1';
    if (as === undefined) return { as: 'object', version };
    if (given.get('g') !== 'meta.k8s.io' || !['v1', 'v1beta1'].includes(version)) continue;
    if (as === 'Table') return { as: 'table', version };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { as: 'partial', version };
  }
  return { as: 'object', version: 'v1' };
}

/** Objects as the rows of a meta.k8s.io Table, as kubectl prints it. */
export function tableOf(
  resource: Resource,
  objects: readonly ApiObject[],
  options: { metadata: object; version: string; includeObject: string; headers: boolean },
): object {
  const { metadata, version, includeObject, headers } = options;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: headers
      ? resource.columns.map(({ name, type, wide }) => ({
          name,
          type: type ?? 'string',
          format: name === 'Name' ? 'name' : '',
          description: '',
          priority: wide ? 1 : 0,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: resource.columns.map(({ cell }) => cell(object)),
      ...(includeObject === 'None' ? {} : { object: includeObject === 'Object' ? object : partialOf(object, version) }),
    })),
  };
}

/** Metadata alone. */
export const partialOf = ({ metadata }: ApiObject, version: string): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata,
});
