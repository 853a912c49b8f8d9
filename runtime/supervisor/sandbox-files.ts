import { existsSync } from 'node:fs';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import type { ContainerConfig, Mount, PodSandboxConfig } from '../service.ts';

/** What containerd shows to every container of a sandbox, by the name of the file in the sandbox's folder. */
const FILES = { hostname: '/etc/hostname', hosts: '/etc/hosts', 'resolv.conf': '/etc/resolv.conf' } as const;
const FILE_MODE = 0o644;

/**
 * Writes the sandbox's /etc/hostname, /etc/resolv.conf and /etc/hosts (containerd: sandbox_run_linux.go,
 * setupSandboxFiles). Without settings the resolver is the node's; hosts is the node's, until the kubelet mounts its own.
 */
export async function makeSandboxFiles(directory: string, config: PodSandboxConfig): Promise<void> {
  await writeText(join(directory, 'hostname'), `${config.hostname}\n`);
  await copyFromNode(FILES.hosts, join(directory, 'hosts'));
  const resolver = join(directory, 'resolv.conf');
  const settings = resolvConf(config.dnsConfig);
  if (settings === '') await copyFromNode(FILES['resolv.conf'], resolver);
  else await writeText(resolver, settings);
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  // The guest may be any user; the umask must not decide.
  await chmod(path, FILE_MODE);
}

/** A machine that has no such file has none to show. */
async function copyFromNode(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
    await chmod(to, FILE_MODE);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function resolvConf(dns: PodSandboxConfig['dnsConfig']): string {
  if (dns === undefined) return '';
  return [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}\n`] : []),
    ...dns.servers.map((server) => `nameserver ${server}\n`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}\n`] : []),
  ].join('');
}

/** The sandbox's files as mounts of a container, except where it mounts something else (containerMounts). */
export function sandboxMounts(directory: string, { mounts, securityContext }: ContainerConfig): Mount[] {
  const readonly = securityContext?.readonlyRootfs ?? false;
  return Object.entries(FILES)
    .map(([name, containerPath]) => ({ containerPath, hostPath: join(directory, name), readonly }))
    .filter(({ containerPath }) => mounts.every((mount) => mount.containerPath !== containerPath))
    .filter(({ hostPath }) => existsSync(hostPath));
}
