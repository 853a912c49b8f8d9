import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import { missingSystemCalls } from '../linux/call.ts';
import { landlockAbi, LEAST_ABI } from '../linux/landlock.ts';
import { ARCHITECTURES } from '../linux/numbers.ts';
import { ByPaths } from './by-paths.ts';
import { Unconfined } from './confinement.ts';
import type { Confinement, ConfinementOptions } from './confinement.ts';
import { OwnRoot } from './own-root.ts';

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
  const reasons: string[] = [];
  for (const Kind of process.geteuid?.() === 0 ? [OwnRoot, ByPaths] : [ByPaths]) {
    if (Kind === ByPaths) {
      const reason = reasons.join() || 'that needs root';
      missing.push(`hosts are confined without a root folder of their own: ${reason}`);
    }
    try {
      const confinement = new Kind(options, architecture, abi, missing);
      await tryOut(confinement, signal);
      return confinement;
    } catch (error) {
      if (signal.aborted) throw new WasmletError('Cancelled', 'the trial of the confinement was ended');
      reasons.push(messageOf(error));
    }
  }
  return new Unconfined(options.code, [`hosts cannot be confined: ${reasons.join('; ')}`]);
}

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
async function tryOut(confinement: Confinement, signal: AbortSignal): Promise<void> {
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
  const said = Promise.all(
    [child.stderr, child.stdio[3] as Readable].map((stream) => text(stream ?? Readable.from([]))),
  );
  const [stderr = '', version = ''] = await Promise.race([said, failed]).catch((error: unknown) => {
    if (patience.aborted) return ['', process.version];
    throw error;
  });
  if (version !== process.version) throw new Error(stderr.trim() || 'a confined host does not come up');
}
