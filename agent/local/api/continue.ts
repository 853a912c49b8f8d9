import type { Position } from '../storage/range.ts';
import { badRequest, type StatusError } from './errors.ts';

/** Where a list goes on: after which object, in the state of which revision (apiserver pkg/storage/continue.go). */
export interface Continue {
  /** undefined: in the state of now. */
  readonly revision: number | undefined;
  readonly after: Position;
  /** How many objects come after that one, where it was counted: a token that says it spares each page to count anew. */
  readonly left?: number | undefined;
}

const VERSION = 'meta.k8s.io/v1';
/** As a token's revision: that the list goes on in the state of now. */
const NEWEST = -1;
/** Ends the key that a list goes on at, which is the least after that of the object before. */
const END = '\0';
const NOT_VALID = 'continue key is not valid';

/** @param scope the namespace that is listed, '' for all or none; keys of tokens are relative to it */
export function encodeContinue({ revision = NEWEST, after, left }: Continue, scope: string): string {
  const { namespace, name } = after;
  const key = scope === '' && namespace !== '' ? `/${namespace}/${name}` : `/${name}`;
  const token = { v: VERSION, rv: revision, start: `${key}${END}`, ...(left === undefined ? {} : { left }) };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

/**
 * Reads a token.
 * @param scope as it was encoded with
 * @param namespaced whether the resource's keys begin with a namespace
 * @throws StatusError BadRequest in the API server's words
 */
export function decodeContinue(text: string, scope: string, namespaced: boolean): Continue {
  const { v, rv, start, left } = fieldsOf(parseJson(decodeBase64(text)));
  if (v !== VERSION) throw invalid(`${NOT_VALID}: server does not recognize this encoded version ${v}`);
  if (rv === 0) throw invalid(`${NOT_VALID}: incorrect encoded start resourceVersion (version ${VERSION})`);
  if (start === '') throw invalid(`${NOT_VALID}: encoded start key empty (version ${VERSION})`);
  const parts = start.replace(/^\//, '').split('/');
  if (parts.some((part) => ['', '.', '..'].includes(part))) throw invalid(`${NOT_VALID}: ${start}`);
  const revision = rv < 0 ? undefined : rv;
  const key = parts.join('/').replaceAll(END, '');
  if (!namespaced || scope !== '') return { revision, left, after: { namespace: scope, name: key } };
  const [namespace = '', name = ''] = key.split('/', 2);
  return { revision, left, after: { namespace, name } };
}

const invalid = (why: string): StatusError => badRequest(`invalid continue token: ${why}`);

/** As Go's base64.RawURLEncoding: it skips line ends, and says where it found what is none of its characters. */
function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text);
  const corrupt = (at: number): StatusError => invalid(`${NOT_VALID}: illegal base64 data at input byte ${at}`);
  const wrong = bytes.findIndex((byte) => !/[\w\r\n-]/.test(String.fromCharCode(byte)));
  if (wrong >= 0) throw corrupt(wrong);
  const characters = text.replace(/[\r\n]/g, '');
  // One character is no whole byte.
  if (characters.length % 4 === 1) throw corrupt(bytes.length - 1);
  return Buffer.from(characters, 'base64url');
}

/** In the words of Go's encoding/json for what is no JSON from the first byte on, or is cut off. */
function parseJson(bytes: Buffer): unknown {
  const text = bytes.toString();
  try {
    return JSON.parse(text);
  } catch (cause) {
    const first = /[^ \t\r\n]/.exec(bytes.toString('latin1'))?.[0] ?? '';
    if (first !== '' && !'{["-0123456789tfn'.includes(first)) {
      throw invalid(`${NOT_VALID}: invalid character ${quoted(first)} looking for beginning of value`);
    }
    const message = cause instanceof Error ? cause.message : '';
    const isCut =
      first === '' || /end of JSON|Unterminated/.test(message) || message.includes(`position ${text.length} `);
    throw invalid(`${NOT_VALID}: ${isCut ? 'unexpected end of JSON input' : message}`);
  }
}

/** A character as Go's JSON errors show it. */
function quoted(character: string): string {
  if (character === "'") return String.raw`'\''`;
  if (/[ -~]/.test(character)) return `'${character === '\\' ? String.raw`\\` : character}'`;
  const code = character.charCodeAt(0);
  const hex = code.toString(16);
  if (code > 0xa0 && code !== 0xad) return `'${character}'`;
  return code < 0x80 ? `'\\x${hex.padStart(2, '0')}'` : `'\\u${hex.padStart(4, '0')}'`;
}

interface Fields {
  readonly v: string;
  readonly rv: number;
  readonly start: string;
  /** Ours alone. */
  readonly left?: number | undefined;
}

const ZERO: Fields = { v: '', rv: 0, start: '' };

/** Fields that are not there are zero, as Go has them; those of another type are refused. */
function fieldsOf(token: unknown): Fields {
  const refuse = (value: unknown, target: string): StatusError =>
    invalid(`${NOT_VALID}: json: cannot unmarshal ${goKind(value, target)} into Go ${target}`);
  if (token === null) return ZERO;
  if (typeof token !== 'object' || Array.isArray(token)) throw refuse(token, 'value of type storage.continueToken');
  const given = { ...token } as Record<string, unknown>;
  const read = (name: string, type: 'string' | 'int64'): unknown => {
    const value = given[name] ?? undefined;
    const isRight = type === 'string' ? typeof value === 'string' : Number.isSafeInteger(value);
    if (value !== undefined && !isRight) throw refuse(value, `struct field continueToken.${name} of type ${type}`);
    return value;
  };
  return {
    v: (read('v', 'string') ?? ZERO.v) as string,
    rv: (read('rv', 'int64') ?? ZERO.rv) as number,
    start: (read('start', 'string') ?? ZERO.start) as string,
    left: read('left', 'int64') as number | undefined,
  };
}

/** A number that would be one of the type but for its value is named. */
function goKind(value: unknown, target: string): string {
  if (typeof value === 'number') return target.endsWith('int64') ? `number ${value}` : 'number';
  if (typeof value === 'boolean') return 'bool';
  return Array.isArray(value) ? 'array' : typeof value;
}
