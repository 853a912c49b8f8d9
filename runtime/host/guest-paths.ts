import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { join, posix } from 'node:path';
import { errnoOf } from '../../base/errors.ts';

/** A container's files as its guest sees them: the root folder, and mounts at any depth below. */
export interface GuestTree {
  readonly root: string;
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string }[];
}

/** As the kernel's MAXSYMLINKS. */
const MAX_LINKS = 40;

interface Base {
  readonly guest: string;
  readonly host: string;
}

/** The mount that holds a guest path: the longest prefix. */
function baseOf(tree: GuestTree, path: string): Base {
  let best: Base = { guest: '/', host: tree.root };
  for (const mount of tree.mounts) {
    const guest = posix.resolve('/', mount.containerPath);
    const holds = path === guest || path.startsWith(guest === '/' ? '/' : `${guest}/`);
    if (holds && guest.length >= best.guest.length) best = { guest, host: mount.hostPath };
  }
  return best;
}

/** Where a mount leads is the node's choice, links included (the kubelet's ..data); what lies below is the guest's. */
function hostPathOf(tree: GuestTree, path: string): string {
  const base = baseOf(tree, path);
  return join(realpathSync(base.host), path.slice(base.guest.length));
}

/**
 * Follows a path of the guest to a host path, links included, never outside the guest's tree: '/' in a link is the
 * guest's root, and '..' of the root is the root.
 * @param path absolute, in the guest
 * @returns the host path, or undefined when a part of it does not exist
 */
export function resolveGuestPath(tree: GuestTree, path: string): string | undefined {
  const pending = path.split('/').reverse();
  let links = 0;
  let guest = '/';
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === '' || part === '.') continue;
    const next = posix.resolve(guest, part);
    const target = part === '..' ? undefined : linkTarget(tree, next);
    if (target === 'missing') return undefined;
    if (target === undefined) {
      guest = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    if (target.link.startsWith('/')) guest = '/';
    pending.push(...target.link.split('/').reverse());
  }
  return hostPathOf(tree, guest);
}

function linkTarget(tree: GuestTree, path: string): { link: string } | 'missing' | undefined {
  try {
    const host = hostPathOf(tree, path);
    return lstatSync(host).isSymbolicLink() ? { link: readlinkSync(host) } : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return 'missing';
    throw error;
  }
}
