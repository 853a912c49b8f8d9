import type { Continue } from './continue.ts';
import { decodeContinue } from './continue.ts';
import { badRequest, field, invalid, type Cause } from './errors.ts';

/** What a list is asked for beside its selectors. */
export interface ListOptions {
  /** 0: all. */
  readonly limit: number;
  readonly from: Continue | undefined;
  /** The revision whose state is wanted; undefined: that of now. */
  readonly exact: number | undefined;
  /** The server has to have come so far. */
  readonly notOlderThan: number;
}

const KIND = { group: 'meta.k8s.io', plural: 'listoptions', kind: 'ListOptions' };

/**
 * Reads and checks the query of a list (apimachinery pkg/apis/meta/internalversion/validation; apiserver pkg/storage,
 * ValidateListOptions).
 * @param scope the namespace that is listed, '' for all or none
 * @throws StatusError BadRequest, Invalid
 */
export function listOptions(query: URLSearchParams, scope: string, namespaced: boolean): ListOptions {
  const limit = limitOf(query);
  const causes = matchCauses(query);
  if (causes.length > 0) throw invalid(KIND, '', causes);
  const token = query.get('continue') ?? '';
  const version = query.get('resourceVersion') ?? '';
  if (token !== '') {
    const from = decodeContinue(token, scope, namespaced);
    if (version !== '' && version !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    return { limit, from, exact: from.revision, notOlderThan: 0 };
  }
  const revision = parseRevision(version);
  const match = query.get('resourceVersionMatch') ?? '';
  // Without a word on it, pages are those of the version that is named, and a list in one piece is of no older one.
  const isExact = match === 'Exact' || (match === '' && limit > 0 && revision > 0);
  return { limit, from: undefined, exact: isExact ? revision : undefined, notOlderThan: revision };
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit');
  if (text === null) return 0;
  if (/^[-+]?\d{1,15}$/.test(text)) return Math.max(0, Number(text));
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function parseRevision(text: string): number {
  if (text === '' || /^\d{1,15}$/.test(text)) return Number(text);
  const why = `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  const { field: path, message } = field.invalid('resourceVersion', text, why);
  throw badRequest(`invalid resource version: ${path}: ${message}`);
}

function matchCauses(query: URLSearchParams): Cause[] {
  const [match = '', version = '', token = ''] = ['resourceVersionMatch', 'resourceVersion', 'continue'].map(
    (name) => query.get(name) ?? '',
  );
  const causes: Cause[] = [];
  const forbid = (path: string, why: string): void => void causes.push(field.forbidden(path, `${path}${why}`));
  if (match !== '') {
    if (version === '') forbid('resourceVersionMatch', ' is forbidden unless resourceVersion is provided');
    if (token !== '') forbid('resourceVersionMatch', ' is forbidden when continue is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      causes.push(field.notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    }
    if (match === 'Exact' && version === '0') {
      forbid('resourceVersionMatch', ' "exact" is forbidden for resourceVersion "0"');
    }
  }
  if (query.has('sendInitialEvents')) forbid('sendInitialEvents', ' is forbidden for list');
  return causes;
}
