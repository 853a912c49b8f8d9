import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf, messageOf, WasmletError } from '../../../base/errors.ts';

/**
 * Network configurations as administrators and network add-ons lay them down
 * (https://www.cni.dev/docs/spec/#section-1-network-configuration-format).
 */

/** The versions of the specification that we speak, oldest first. */
const VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** Bytes of one configuration file at the most. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** Becomes the name of a file in the plugin folder, so it may not lead elsewhere. */
const pluginType = z.string().regex(/^[^/\0]+$/, 'the name of a file');

const plugin = z.looseObject({
  type: pluginType,
  capabilities: z.record(z.string(), z.boolean()).exactOptional(),
});
export type PluginConfig = Readonly<z.infer<typeof plugin>>;

/** A list of plugins that make one network together, each given what the one before it has made. */
export const networkConfigList = z.object({
  cniVersion: z.enum(VERSIONS),
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'a network name'),
  disableCheck: z.boolean().default(false),
  plugins: z.array(plugin).min(1),
});
export type NetworkConfigList = Readonly<z.infer<typeof networkConfigList>>;

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const listFile = z.looseObject({
  cniVersion: z.string().default('0.3.0'),
  cniVersions: z.array(z.string()).default([]),
  disableCheck: flag.exactOptional(),
  plugins: z.unknown().exactOptional(),
});

/** Whether `version` of the specification is `wanted` or later. */
export const isAtLeast = (version: NetworkConfigList['cniVersion'], wanted: (typeof VERSIONS)[number]): boolean =>
  VERSIONS.indexOf(version) >= VERSIONS.indexOf(wanted);

/**
 * Parses a network configuration: a list (.conflist), or a single plugin's as files of older versions hold it.
 * @throws WasmletError InvalidConfig
 */
export function parseNetworkConfig(text: string, path: string): NetworkConfigList {
  try {
    const file = listFile.parse(JSON.parse(text));
    const { cniVersion: version, cniVersions, plugins, disableCheck = false, ...single } = file;
    const offered = new Set([version, ...cniVersions]);
    const cniVersion = VERSIONS.findLast((known) => offered.has(known)) ?? version;
    return networkConfigList.parse({ cniVersion, name: file['name'], disableCheck, plugins: plugins ?? [single] });
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new WasmletError('InvalidConfig', `error parsing configuration list ${path}: ${why}`, { cause: error });
  }
}

/**
 * The configuration in a folder that counts: the first, by name, that is valid, as containerd takes it.
 * @throws WasmletError NotFound when there is none; InvalidConfig when there are some, but none is valid
 */
export async function loadNetworkConfig(folder: string): Promise<NetworkConfigList> {
  let failure = new WasmletError('NotFound', `no network config found in ${folder}`);
  for (const name of await configFiles(folder)) {
    const path = join(folder, name);
    try {
      const text = await readFile(path, 'utf8');
      if (text.length > MAX_CONFIG_BYTES) throw new WasmletError('InvalidConfig', `${path} is too large`);
      return parseNetworkConfig(text, path);
    } catch (error) {
      const ours = error instanceof WasmletError ? error : new WasmletError('InvalidConfig', messageOf(error));
      if (failure.code === 'NotFound') failure = ours;
    }
  }
  throw failure;
}

async function configFiles(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw new WasmletError('InvalidConfig', messageOf(error), { cause: error });
  }
}
