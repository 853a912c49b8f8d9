import { z } from 'zod';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import { isAtLeast, networkConfigList } from './network-config.ts';
import type { NetworkConfigList, PluginConfig } from './network-config.ts';
import { findPlugin, runPlugin } from './plugin.ts';
import type { PluginCall } from './plugin.ts';

/**
 * A network namespace's attachment to one network: the plugins of a configuration list, called one after the other
 * (https://www.cni.dev/docs/spec/#section-3-execution-of-network-configurations).
 */

/** An attachment as it is kept on disk: what DEL needs, also when the configuration is another by then. */
export const attachmentSchema = z.object({
  ifName: z.string(),
  list: networkConfigList,
  /** What the plugins that declare a capability are told of it. */
  capabilities: z.record(z.string(), z.unknown()),
  /** What ADD has answered; absent where it has not, or not yet. */
  result: z.unknown().optional(),
});
export type Attachment = Readonly<z.infer<typeof attachmentSchema>>;

/** Whose attachment it is. */
export interface AttachmentOwner {
  readonly containerId: string;
  /** Path of the network namespace; '' when it is gone. */
  readonly netns: string;
  /** CNI_ARGS: 'KEY=value;…'. */
  readonly cniArgs: string;
  readonly binDir: string;
}

/**
 * Makes sure that there are all plugins. Were one found missing half way, DEL could not give back what those before it
 * have made: it goes backwards, and halts at the first that fails.
 * @throws WasmletError NotFound
 */
export async function verifyPlugins({ list }: Attachment, binDir: string): Promise<void> {
  for (const { type } of list.plugins) {
    try {
      await findPlugin(type, binDir);
    } catch (error) {
      throw new WasmletError('NotFound', `plugin type=${JSON.stringify(type)} failed (add): ${messageOf(error)}`);
    }
  }
}

/**
 * Attaches: ADD of each plugin in turn, each given the result of the one before it.
 * @returns the last one's result
 * @throws WasmletError as runPlugin, with libcni's words; the caller then detaches
 */
export async function attach(owner: AttachmentOwner, attachment: Attachment): Promise<unknown> {
  let result: unknown;
  for (const plugin of attachment.list.plugins) {
    const answer = await call('ADD', owner, attachment, plugin, result);
    result = answer ?? result;
  }
  return result;
}

/** Whether the version of the specification has CHECK, and the configuration allows it. */
const isCheckable = ({ list, result }: Attachment): boolean =>
  isAtLeast(list.cniVersion, '0.4.0') && !list.disableCheck && result !== undefined;

/**
 * Asks each plugin whether what it has made stands as it was made.
 * @throws WasmletError with the first one's complaint
 */
export async function check(owner: AttachmentOwner, attachment: Attachment): Promise<void> {
  if (!isCheckable(attachment)) return;
  for (const plugin of attachment.list.plugins) {
    await call('CHECK', owner, attachment, plugin, attachment.result);
  }
}

/**
 * Gives back what was attached: DEL in reverse order. Where nothing is (any more), plugins answer with success.
 * @throws WasmletError with what the plugin that failed says; those before it are not called then
 */
export async function detach(owner: AttachmentOwner, attachment: Attachment): Promise<void> {
  const previous = isAtLeast(attachment.list.cniVersion, '0.4.0') ? attachment.result : undefined;
  for (const plugin of attachment.list.plugins.toReversed()) {
    await call('DEL', owner, attachment, plugin, previous);
  }
}

/** libcni's words. */
const VERBS = { ADD: 'add', CHECK: 'check', DEL: 'delete' } as const;

async function call(
  command: PluginCall['command'],
  owner: AttachmentOwner,
  { list, ifName, capabilities }: Attachment,
  plugin: PluginConfig,
  prevResult: unknown,
): Promise<unknown> {
  try {
    return await runPlugin({
      command,
      type: plugin.type,
      config: pluginInput(list, plugin, capabilities, prevResult),
      environment: {
        CNI_CONTAINERID: owner.containerId,
        CNI_NETNS: owner.netns,
        CNI_IFNAME: ifName,
        CNI_ARGS: owner.cniArgs,
      },
      binDir: owner.binDir,
    });
  } catch (error) {
    const name = typeof plugin['name'] === 'string' ? ` name=${JSON.stringify(plugin['name'])}` : '';
    const message = `plugin type=${JSON.stringify(plugin.type)}${name} failed (${VERBS[command]}): ${messageOf(error)}`;
    throw new WasmletError(error instanceof WasmletError ? error.code : 'FailedPrecondition', message, {
      cause: error,
    });
  }
}

/** A plugin's part of the list with the keys that the specification has the runtime add. */
function pluginInput(
  { cniVersion, name }: NetworkConfigList,
  plugin: PluginConfig,
  capabilities: Readonly<Record<string, unknown>>,
  prevResult: unknown,
): object {
  const wanted = Object.entries(capabilities).filter(([key]) => plugin.capabilities?.[key] === true);
  return {
    ...plugin,
    name,
    cniVersion,
    ...(wanted.length > 0 ? { runtimeConfig: Object.fromEntries(wanted) } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}
