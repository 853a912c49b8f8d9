/** The stand-ins in the registry, under the names by which the suite asks for its images. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { runOrThrow } from '../support/command.ts';
import type { ImageRunConfig } from '../support/push-folder.ts';
import { pushFolder } from '../support/push-folder.ts';

/** A Wasm build of a program that the suite's images hold. */
export interface StandIn {
  /** The image's name without registry and version: 'agnhost'. */
  readonly name: string;
  /** Root file tree of the image. */
  readonly folder: string;
  readonly config: ImageRunConfig;
}

export interface ImageSource {
  /** Host and port of the registry. */
  readonly registry: string;
  /** The suite's binary, which knows the names. */
  readonly conformance: string;
  /** For the file that tells the suite where its images are. */
  readonly folder: string;
  /**
   * Gives every image another name: one repository, and tags that are hashes of the names (the suite's KUBE_TEST_REPO).
   * What passes by the names alone fails then.
   */
  readonly rename: boolean;
}

/** Nothing listens there: what is pulled from it fails at once, as from a host that does not exist. */
const NOWHERE = '127.0.0.1:1';

/**
 * Environment by which the suite takes its images from the registry (test/utils/image/manifest.go: RegistryList).
 * @returns variables to be added to the suite's environment
 */
export async function imageEnvironment({ registry, folder, rename }: ImageSource): Promise<Record<string, string>> {
  const repoList = join(folder, 'registries.yaml');
  const at = (path: string) => `${registry}/${path}`;
  await writeFile(
    repoList,
    stringify({
      promoterE2eRegistry: at('e2e-test-images'),
      buildImageRegistry: at('build-image'),
      gcRegistry: at('core'),
      gcEtcdRegistry: at('core'),
      sigStorageRegistry: at('sig-storage'),
      dockerLibraryRegistry: at('library'),
      cloudProviderGcpRegistry: at('cloud-provider-gcp'),
      privateRegistry: at('private'),
      invalidRegistry: `${NOWHERE}/invalid`,
    }),
  );
  return {
    KUBE_TEST_REPO_LIST: repoList,
    ...(rename ? { KUBE_TEST_REPO: at('other/names') } : {}),
  };
}

/**
 * Pushes each stand-in under every name (and version) that the suite has for its image.
 * @returns the references pushed
 */
export async function pushStandIns(
  source: ImageSource,
  env: Readonly<Record<string, string>>,
  standIns: readonly StandIn[],
): Promise<string[]> {
  const { stdout } = await runOrThrow(source.conformance, ['--list-images'], { env: { ...process.env, ...env } });
  const images = stdout.split('\n').filter((image) => image.startsWith(source.registry));
  const pushed: string[] = [];
  for (const image of images) {
    const standIn = standIns.find(({ name }) => isImageOf(image, name));
    if (!standIn) continue;
    await pushFolder({ ...splitReference(image), folder: standIn.folder, config: standIn.config });
    pushed.push(image);
  }
  return pushed;
}

/** Whether a reference, with its own name or with one that KUBE_TEST_REPO made of it, is of the image called so. */
export function isImageOf(reference: string, name: string): boolean {
  const { repository, tag } = splitReference(reference);
  return repository.endsWith(`/${name}`) || new RegExp(`^e2e-.*-${name}-\\d`).test(tag);
}

function splitReference(reference: string): { registry: string; repository: string; tag: string } {
  const slash = reference.indexOf('/');
  const colon = reference.lastIndexOf(':');
  return {
    registry: reference.slice(0, slash),
    repository: reference.slice(slash + 1, colon),
    tag: reference.slice(colon + 1),
  };
}
