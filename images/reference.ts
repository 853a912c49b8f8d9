import { WasmletError } from '../base/errors.ts';
import { LIMITS } from './limits.ts';

/** An image reference with Docker's defaults filled in. */
export interface Reference {
  /** Registry as users write it: 'docker.io', 'ghcr.io', 'localhost:5000'. */
  readonly domain: string;
  /** Repository within the registry: 'library/nginx'. */
  readonly path: string;
  /** 'domain/path' */
  readonly name: string;
  /** The tag, 'latest' where neither tag nor digest was given; undefined where there is a digest alone. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
  /** 'name@digest' where there is a digest (it outranks a tag), else 'name:tag'. */
  readonly canonical: string;
}

// The grammar of github.com/distribution/reference v0.6 (regexp.go).
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(${DOMAIN})/(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const MAX_PATH_LENGTH = 255;

const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** Whether a string is a digest that the store can hold: sha256 or sha512, in lower-case hex. */
export function isDigest(text: string): boolean {
  const [algorithm = '', hex = ''] = text.split(':', 2);
  return text === `${algorithm}:${hex}` && hex.length === DIGEST_LENGTHS[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/**
 * Parses an image reference as Docker and the kubelet do: default registry docker.io, default namespace library/,
 * default tag latest.
 * @throws WasmletError InvalidImageName with the kubelet's text (pkg/util/parsers)
 */
export function parseReference(image: string): Reference {
  const invalid = (why: string) =>
    new WasmletError('InvalidImageName', `couldn't parse image name ${JSON.stringify(image)}: ${why}`);
  if (image.length > LIMITS.referenceLength) throw invalid('invalid reference format');
  if (/^[a-f0-9]{64}$/.test(image)) {
    throw invalid(`invalid repository name (${image}), cannot specify 64-byte hexadecimal strings`);
  }
  const [domainPart, remainder] = splitDomain(image);
  const remote = remainder.split(':', 1)[0] ?? '';
  if (remote.toLowerCase() !== remote) {
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  const [, domain, path, tag, digest] = REFERENCE.exec(`${domainPart}/${remainder}`) ?? [];
  if (domain === undefined || path === undefined) throw invalid('invalid reference format');
  if (path.length > MAX_PATH_LENGTH) {
    throw invalid(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  if (digest !== undefined && !isDigest(digest)) throw invalid(digestFault(digest));
  const name = `${domain}/${path}`;
  const effectiveTag = tag ?? (digest === undefined ? 'latest' : undefined);
  return {
    domain,
    path,
    name,
    tag: effectiveTag,
    digest,
    canonical: digest === undefined ? `${name}:${effectiveTag ?? ''}` : `${name}@${digest}`,
  };
}

/** The words of github.com/opencontainers/go-digest for what is wrong with a digest. */
function digestFault(digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':', 2);
  const length = DIGEST_LENGTHS[algorithm];
  if (length === undefined) return 'unsupported digest algorithm';
  return hex.length === length ? 'invalid checksum digest format' : 'invalid checksum digest length';
}

/** Tells registry from repository (normalize.go, splitDockerDomain): the first part is a host if it looks like one. */
function splitDomain(image: string): readonly [domain: string, remainder: string] {
  const slash = image.indexOf('/');
  if (slash < 0) return ['docker.io', `library/${image}`];
  const first = image.slice(0, slash);
  const rest = image.slice(slash + 1);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  if (!isHost) return ['docker.io', image];
  if (first !== 'docker.io' && first !== 'index.docker.io') return [first, rest];
  return ['docker.io', rest.includes('/') ? rest : `library/${rest}`];
}
