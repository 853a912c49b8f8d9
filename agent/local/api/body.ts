import { parse } from 'yaml';
import { messageOf } from '../../../base/errors.ts';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import { decodeProtobuf } from '../schema/protobuf.ts';
import { decode, isObject } from '../schema/decode.ts';
import type { ApiObject } from '../storage/object.ts';
import { badRequest, StatusError } from './errors.ts';
import { readBody, type Exchange } from './exchange.ts';

/** Bodies of requests, read as their kind has them. */

/** What becomes of fields that a kind does not know (KEP-2885). */
type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const unsupported = (type: string, supported: string): StatusError =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported} (and not ${type})`,
  );

export const mediaType = (exchange: Exchange): string =>
  (exchange.request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';

/** @throws StatusError BadRequest, UnsupportedMediaType */
export async function readJson(exchange: Exchange): Promise<unknown> {
  const type = mediaType(exchange);
  const body = await readBody(exchange.request);
  if (body.length > 0 && type === PROTOBUF) return readProtobuf(body);
  const text = body.toString('utf8');
  if (text === '') return undefined;
  if (type.endsWith('/yaml')) return parseYaml(text);
  if (!type.endsWith('json')) throw unsupported(type, 'application/json, application/yaml');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${messageOf(error)}`);
  }
}

function readProtobuf(body: Buffer): unknown {
  try {
    return decodeProtobuf(body);
  } catch (error) {
    throw badRequest(`the protobuf of the request cannot be read: ${messageOf(error)}`);
  }
}

function parseYaml(text: string): unknown {
  try {
    // Aliases can make much of little.
    return parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw badRequest(`yaml: ${messageOf(error)}`);
  }
}

/** The object of a create or update. @throws StatusError */
export async function readObject(exchange: Exchange, resource: Resource): Promise<ApiObject> {
  const body = await readJson(exchange);
  if (!isObject(body)) throw badRequest(`the request's body is no object of kind ${resource.kind}`);
  const { apiVersion = apiVersionOf(resource), kind = resource.kind } = body;
  if (kind !== resource.kind || apiVersion !== apiVersionOf(resource)) {
    const what = `${String(kind)} in version ${JSON.stringify(apiVersion)}`;
    throw badRequest(
      `${what} cannot be handled as a ${resource.kind} in version ${JSON.stringify(apiVersionOf(resource))}`,
    );
  }
  return decodeObject(exchange, resource, body);
}

/**
 * Reads an object as its kind has it; what the kind does not know is refused, warned of or left out as was asked for.
 * @param refuse makes the error of fields that are not known
 * @throws StatusError BadRequest
 */
export function decodeObject(
  exchange: Exchange,
  resource: Pick<Resource, 'schema' | 'kind' | 'group' | 'version'>,
  body: Record<string, unknown>,
  refuse?: (problems: string) => StatusError,
): ApiObject {
  const { kind } = resource;
  const version = apiVersionOf(resource);
  const { value, unknown } = decode(resource.schema, body, { kind, version: resource.version });
  const validation = (exchange.query.get('fieldValidation') ?? 'Warn') as FieldValidation;
  if (unknown.length > 0 && validation === 'Strict') {
    const problems = `strict decoding error: ${unknown.join(', ')}`;
    throw (
      refuse?.(problems) ??
      badRequest(`${kind} in version "${resource.version}" cannot be handled as a ${kind}: ${problems}`)
    );
  }
  if (validation === 'Warn') exchange.warnings.push(...unknown);
  const metadata = (value['metadata'] ?? {}) as ApiObject['metadata'];
  return { ...value, kind, apiVersion: version, metadata };
}

/** Whether nothing is to be written. @throws StatusError BadRequest */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun');
  const wrong = values.find((value) => value !== 'All');
  if (wrong !== undefined) throw badRequest(`Invalid value: ${JSON.stringify(wrong)}: dryRun supports All alone`);
  return values.length > 0;
}
