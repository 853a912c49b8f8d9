import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import { missingSystemCalls } from '../linux/call.ts';
import { landlockAbi, LEAST_ABI } from '../linux/landlock.ts';
import { ARCHITECTURES } from '../linux/numbers.ts';
import { ByPaths } from './by-paths.ts';
import { FIRST_PROTOCOL_FD, Unconfined } from './confinement.ts';
import type { Confinement, ConfinementOptions } from './confinement.ts';
import { OwnRoot } from './own-root.ts';
import { HostUserNamespaces } from './own-users.ts';

/** A trial starts Node; a busy machine may take its time. */
const TRIAL_TIMEOUT_MS = 30_000;

/**
 * Finds out how far hosts can be confined on this machine: by trying.
 * @throws WasmletError Cancelled
 */
export async function findConfinement(options: ConfinementOptions, signal: AbortSignal): Promise<Confinement> {
  const architecture = ARCHITECTURES[process.arch];
  const unable = missingSystemCalls();
  if (unable !== undefined || !architecture) {
    return new Unconfined(options.code, [`hosts cannot be confined: ${unable ?? process.arch}`]);
  }
  const abi = landlockAbi();
  const missing = abi >= LEAST_ABI ? [] : [`hosts are confined without ${noLandlock(abi)}`];
  const kinds = [
    {
      what: 'users of their own',
      make: () => new OwnRoot({ ...options, users: usersOfHosts(options) }, architecture, abi, [...missing]),
    },
    { what: 'a root folder of their own', make: () => new OwnRoot(options, architecture, abi, [...missing]) },
    { what: 'any of this', make: () => new ByPaths(options, architecture, abi, [...missing]) },
  ];
  const reasons: string[] = [];
  for (const { what, make } of kinds) {
    const isPossible = what === 'any of this' || process.geteuid?.() === 0;
    try {
      if (isPossible) return await triedOut(make(), signal);
    } catch (error) {
      if (signal.aborted) throw new WasmletError('Cancelled', 'the trial of the confinement was ended');
      reasons.push(messageOf(error));
    }
    missing.push(`hosts are confined without ${what}: ${reasons.at(-1) ?? 'that needs root'}`);
  }
  return new Unconfined(options.code, [`hosts cannot be confined: ${[...new Set(reasons)].join('; ')}`]);
}

const usersOfHosts = ({ rootPath, userIds }: ConfinementOptions): HostUserNamespaces =>
  new HostUserNamespaces(join(dirname(rootPath), 'users-trial'), userIds);

const noLandlock = (abi: number): string =>
  abi === 0
    ? 'Landlock (the kernel has none, or it is not among those switched on at boot: lsm=)'
    : `Landlock of version ${LEAST_ABI} or later (the kernel has version ${abi})`;

/** A host that says what it runs on, through the first descriptor of its protocol. */
const SAYS_VERSION = "require('node:fs').writeSync(3, process.version)";

/**
 * Starts what a host is, to see whether it comes up. What takes its time has not failed: a call that is not allowed is
 * refused at once, and a busy machine shall not make hosts less confined.
 * @throws Error with what its launcher, or Node, said
 */
async function triedOut<T extends Confinement>(confinement: T, signal: AbortSignal): Promise<T> {
  const stdio = ['ignore', 'ignore', 'pipe', 'pipe'] as const;
  using launched = confinement.launch(['--eval', SAYS_VERSION], stdio.length);
  const [program, args] = launched.command;
  const patience = AbortSignal.timeout(TRIAL_TIMEOUT_MS);
  const child = spawn(program, args, {
    cwd: '/',
    env: {},
    stdio: [...stdio, ...launched.descriptors],
    signal: AbortSignal.any([signal, patience]),
    killSignal: 'SIGKILL',
  });
  const failed = new Promise<never>((_, reject) => child.on('error', reject));
  const said = async (): Promise<readonly [stderr: string, version: string]> => {
    const socket = child.stdio[FIRST_PROTOCOL_FD] as Socket;
    const stderr = text(child.stderr as Readable);
    if (child.pid !== undefined) await launched.begin(child.pid, socket);
    return [await stderr, await text(socket)];
  };
  const [stderr, version] = await Promise.race([said(), failed])
    .catch((error: unknown) => {
      if (patience.aborted && confinement.ownUsers?.isProven !== false) return ['', process.version] as const;
      throw error;
    })
    .finally(launched.settle);
  if (version !== process.version) throw new Error(stderr.trim() || 'a confined host does not come up');
  return confinement;
}
