import { hash } from 'node:crypto';
import { WasmletError } from '../base/errors.ts';
import { LIMITS } from './limits.ts';
import { choosePlatform, parseManifest, type Manifest } from './manifest.ts';
import { isDigest } from './reference.ts';
import type { RawManifest } from './registry/client.ts';

/** Where manifests come from: a registry's repository, or an archive. */
export interface ManifestSource {
  getManifest(digest: string, signal: AbortSignal): Promise<RawManifest>;
}

/** The manifest that was chosen, and what the reference itself stands for (the index, where there is one). */
export interface Resolved {
  readonly referenceDigest: string;
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

/**
 * The manifest that a manifest or an index stands for on this node.
 * @param first what the reference stands for
 * @param asked its digest, where the reference has one
 * @throws WasmletError ErrImagePull when it is not what it should be; ImageNotRunnable when an index has nothing for Wasm
 */
export async function resolve(
  source: ManifestSource,
  first: RawManifest,
  { asked, name }: { readonly asked: string | undefined; readonly name: string },
  signal: AbortSignal,
): Promise<Resolved> {
  const referenceDigest = checkDigest(first, asked);
  let raw = first;
  let digest = referenceDigest;
  for (let depth = 0; depth <= LIMITS.indexDepth; depth++) {
    const document = parseManifest(raw.bytes, raw.contentType);
    if (document.kind === 'manifest') return { ...document, referenceDigest, digest, bytes: raw.bytes };
    const chosen = choosePlatform(document.index, name);
    raw = await source.getManifest(chosen.digest, signal);
    digest = checkDigest(raw, chosen.digest);
  }
  throw new WasmletError('ErrImagePull', `indexes within indexes, more than ${LIMITS.indexDepth} deep`);
}

/** The digest of a manifest, which must be the one asked for, else the one that the registry's header claims. */
function checkDigest(raw: RawManifest, asked: string | undefined): string {
  const claimed = asked ?? (raw.digest !== undefined && isDigest(raw.digest) ? raw.digest : undefined);
  const algorithm = claimed?.split(':', 1)[0] ?? 'sha256';
  const actual = `${algorithm}:${hash(algorithm, raw.bytes)}`;
  if (claimed === undefined || claimed === actual) return actual;
  throw new WasmletError(
    'ErrImagePull',
    `unexpected digest of the manifest: ${claimed} was asked for, but ${actual} came`,
  );
}
