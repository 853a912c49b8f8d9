import { WasmletError } from '../base/errors.ts';
import { contentOf, inspectBlob, type BlobContent } from './content.ts';
import { isWasm, platformName, type Descriptor, type Manifest, type ParsedConfig } from './manifest.ts';
import { resolveInTree } from './tree-path.ts';

/** A layer with what it was found to be. */
export interface Layer {
  readonly descriptor: Descriptor;
  readonly content: BlobContent;
}

/** How an image is to be used. */
export type Form =
  /** One module, used where it lies in the store, or unpacked to a file where it is compressed. */
  | { readonly kind: 'module'; readonly layer: Layer }
  /** Tar layers, to be flattened. */
  | { readonly kind: 'tree'; readonly layers: readonly Layer[] };

const ADVICE = 'build it for wasip1/wasm';
/** The file that Istio's compat images hold (solo-io/wasm spec-compat.md). */
const COMPAT_MODULE = 'plugin.wasm';
const COMPAT_ANNOTATION = 'module.wasm.image/variant';
const TITLE = 'org.opencontainers.image.title';

function notRunnable(image: string, why: string): WasmletError {
  return new WasmletError('ImageNotRunnable', `image ${JSON.stringify(image)} ${why}`);
}

/** The program that an image's config names: the first word of its entrypoint, or of its cmd. */
function program({ config }: ParsedConfig): string | undefined {
  return config.entrypoint[0] ?? config.cmd[0];
}

/**
 * Refuses an image for another platform before its layers are downloaded. One that calls itself linux may still be Wasm,
 * for that is what `docker build` writes by default: when its program is a .wasm file, when it has Wasm layers, or when
 * it names no program at all, as Istio's compat images do.
 * @throws WasmletError ImageNotRunnable
 */
export function refuseOtherPlatform(manifest: Manifest, config: ParsedConfig, image: string): void {
  const entry = program(config);
  const possible =
    isWasm(config) ||
    (config.os === '' && config.architecture === '') ||
    entry === undefined ||
    entry.endsWith('.wasm') ||
    manifest.annotations?.[COMPAT_ANNOTATION] !== undefined ||
    config.config.labels[COMPAT_ANNOTATION] !== undefined ||
    manifest.layers.some(({ mediaType }) => mediaType.includes('wasm'));
  if (possible) return;
  throw notRunnable(
    image,
    `is built for ${platformName(config)}, but this node runs WebAssembly modules only; ${ADVICE}`,
  );
}

/**
 * Decides by what the layers are. A module that is a layer by itself is the program; where there are several (Spin,
 * runwasi), the one whose title is the entrypoint's file name. Other layers beside it (Spin's files and application
 * description) are left alone: only the tool that wrote them knows where they belong. Without such a module, tar layers
 * make a tree.
 * @throws WasmletError ImageNotRunnable
 */
export function chooseForm(layers: readonly Layer[], config: ParsedConfig, image: string): Form {
  const modules = layers.filter(({ content }) => content.content === 'core-module');
  if (modules.length > 0) return { kind: 'module', layer: chooseModule(modules, config, image) };
  const archives = layers.filter(({ content }) => content.content === 'tar');
  if (archives.length > 0) return { kind: 'tree', layers: archives };
  if (layers.some(({ content }) => content.content === 'component')) throw component(image);
  const types = [...new Set(layers.map(({ descriptor }) => descriptor.mediaType))].join(', ');
  throw notRunnable(image, `holds no WebAssembly module: its layers are ${types === '' ? 'none' : types}; ${ADVICE}`);
}

function chooseModule(modules: readonly Layer[], config: ParsedConfig, image: string): Layer {
  const [only, ...others] = modules;
  if (only !== undefined && others.length === 0) return only;
  const wanted = program(config)?.replace(/^.*\//, '');
  const named = modules.find(({ descriptor }) => wanted !== undefined && descriptor.annotations?.[TITLE] === wanted);
  if (named) return named;
  throw notRunnable(
    image,
    `holds ${modules.length} modules, and its entrypoint names none of them by the title (${TITLE}) of its layer; ` +
      `push one module per image, or set entrypoint and titles`,
  );
}

function component(image: string): WasmletError {
  return notRunnable(
    image,
    `holds a WebAssembly component (WASI 0.2), which this node does not run yet; ${ADVICE}, as a core module`,
  );
}

/**
 * Checks that a flattened tree can be run here.
 * @returns the entrypoint to use instead of the config's, if any
 * @throws WasmletError ImageNotRunnable
 */
export async function checkTree(tree: string, config: ParsedConfig, image: string): Promise<string | undefined> {
  const entry = program(config);
  if (entry === undefined && (await resolveInTree(tree, COMPAT_MODULE)) !== undefined) return `/${COMPAT_MODULE}`;
  if (!isWasm(config) && entry?.endsWith('.wasm') !== true) {
    const platform = platformName({ os: config.os, architecture: config.architecture });
    const builtFor = platform === '' ? 'names no platform' : `is built for ${platform}`;
    throw notRunnable(image, `${builtFor} and holds no /${COMPAT_MODULE}; ${ADVICE}`);
  }
  const file = entry === undefined ? undefined : await resolveInTree(tree, entry);
  if (file !== undefined && (await isComponent(file))) throw component(image);
  return undefined;
}

async function isComponent(file: string): Promise<boolean> {
  const { content } = await inspectBlob(file).catch(() => ({ content: contentOf(Buffer.alloc(0)) }));
  return content === 'component';
}
