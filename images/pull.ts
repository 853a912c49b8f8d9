import { WasmletError } from '../base/errors.ts';
import { install, type InstallContext } from './install.ts';
import type { Descriptor } from './manifest.ts';
import type { Reference } from './reference.ts';
import { RegistryClient } from './registry/client.ts';
import { downloadBlob } from './registry/download.ts';
import { RegistryStatusError } from './registry/errors.ts';
import type { PlainHttp } from './registry/hosts.ts';
import type { Transport } from './registry/transport.ts';
import { resolve } from './resolve.ts';
import type { Image, PullOptions, RegistryAuth, TransferProgress } from './service.ts';

/** What a pull works with. */
export interface PullContext extends InstallContext {
  readonly transport: Transport;
  readonly plain: PlainHttp;
}

/**
 * Pulls an image with one set of credentials, or none, and stores it. What was downloaded for an image that then cannot
 * be used is removed again.
 * @throws WasmletError ErrImagePull, RegistryUnavailable, ImageNotRunnable; RegistryStatusError where a status decides
 */
export async function pull(
  context: PullContext,
  reference: Reference,
  auth: RegistryAuth | undefined,
  { signal, onProgress }: Pick<PullOptions, 'signal' | 'onProgress'>,
): Promise<Image> {
  const client = new RegistryClient({ transport: context.transport, reference, auth, plain: context.plain });
  const known = await unchanged(context, client, reference, signal);
  if (known) return known;
  const { digest, tag, canonical, name } = reference;
  const resolved = await resolving(reference, async () => {
    const first = await client.getManifest(digest ?? tag ?? '', signal);
    return await resolve(client, first, { asked: digest, name: canonical }, signal);
  });
  const names = [...(digest === undefined ? [canonical] : []), `${name}@${resolved.referenceDigest}`];
  const fetchBlob = async (blob: Descriptor, path: string, ended: AbortSignal) => {
    const tell = (done: number, state: TransferProgress['state']) =>
      onProgress?.({ name: blob.digest, mediaType: blob.mediaType, done, total: blob.size, state });
    const source = { client, transport: context.transport, onProgress: (done: number) => tell(done, 'under way') };
    await downloadBlob(source, blob, path, ended);
    tell(blob.size, 'there');
  };
  return await install(context, { resolved, name: canonical, names, fetchBlob }, signal);
}

/**
 * The stored image, where the registry says that the reference still stands for it. HEAD first: it is one small request,
 * it checks that the caller may have the image, and Docker Hub does not count it as a pull.
 */
async function unchanged(
  { layout }: PullContext,
  client: RegistryClient,
  reference: Reference,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const known = layout.byName(reference.canonical);
  if (!known) return undefined;
  const digest = await resolving(reference, () => client.headManifest(reference.digest ?? reference.tag ?? '', signal));
  return digest !== undefined && known.repoDigests.includes(`${reference.name}@${digest}`) ? known : undefined;
}

/** Says, as containerd does, that a failure was one of finding the image, and what to do about it. */
async function resolving<T>(reference: Reference, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WasmletError) || error.code === 'ImageNotRunnable') throw error;
    error.message = `failed to resolve reference ${JSON.stringify(reference.canonical)}: ${explained(reference, error)}`;
    throw error;
  }
}

function explained({ canonical, domain }: Reference, error: WasmletError): string {
  if (!(error instanceof RegistryStatusError)) return error.message;
  if (error.status === 404) return `${canonical}: not found: ${error.message}; check the name and the tag`;
  if (error.status !== 401 && error.status !== 403) return error.message;
  return (
    `pull access denied, repository does not exist or may require authorization: ${error.message}; ` +
    `if it is private, name a pull secret for ${domain} in the pod's imagePullSecrets`
  );
}
