import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where local mode keeps its things. */

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the state is that nobody gave a folder for: the machine's for root, else the user's (XDG Base Directory). */
export function defaultRoot(env: Environment, isRoot = process.getuid?.() === 0): string {
  if (isRoot) return '/var/lib/wasmlet-local';
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'wasmlet');
}

/** The node's folder, as `--root-dir` of the commands at a node. */
export const nodeFolderOf = (root: string): string => join(root, 'node');

/**
 * What a message about a node that cannot be reached ends with: where the node of `wasmlet up` is, if there is one and
 * another was asked; else nothing.
 * @param asked the node's folder in the configuration
 * @param local that of `wasmlet up`
 */
export function hintOfLocalNode(asked: string, local = nodeFolderOf(defaultRoot(process.env))): string {
  return local === asked || !existsSync(local) ? '' : `; the node of wasmlet up is at --root-dir ${local}`;
}
