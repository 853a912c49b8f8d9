import { randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { WasmletError } from './errors.ts';
import { writeFileAtomic } from './record.ts';
import { identityOf, isAlive, type ProcessIdentity } from './process.ts';

const SUFFIX = '.lock';
const ATTEMPTS = 8;
const MAX_WAIT_MS = 60;

const holderSchema = z.object({ pid: z.number().int(), startTime: z.string(), bootId: z.string() });

/** What a process is in a folder that may have one of its kind, and how that is said. */
const HOLDERS = {
  supervisor: 'a supervisor',
  agent: 'an agent or CRI server',
  apiServer: 'a local API server',
} as const;
export type LockHolder = keyof typeof HOLDERS;

export interface FolderLock extends AsyncDisposable {
  /** False once the lock's file was taken away, by people or with the whole folder. */
  isHeld(): boolean;
}

/**
 * Makes this process the only one of its kind in a folder. Node has no flock(2), and a single lock file that is taken
 * over from a dead holder can be taken over by two at once. So each contender has a file of its own and looks at the
 * others' only after it is there: of two that come together at least one sees the other, and whoever sees a living one
 * steps back. A file whose process is gone (pid, start time and boot id) counts for nothing, so kill -9 leaves no lock.
 * @returns the lock; it is held until it is disposed of or this process ends
 * @throws WasmletError AlreadyExists when another has it
 */
export async function lockFolder(directory: string, kind: LockHolder): Promise<FolderLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const name = `${kind}-${randomBytes(8).toString('hex')}${SUFFIX}`;
  const own = join(directory, name);
  for (let attempt = 1; ; attempt++) {
    await writeFileAtomic(own, JSON.stringify(identityOf(process.pid)));
    const holder = await otherHolder(directory, name, kind);
    if (holder === undefined) {
      return { isHeld: () => existsSync(own), [Symbol.asyncDispose]: () => rm(own, { force: true }) };
    }
    await rm(own, { force: true });
    if (attempt === ATTEMPTS) {
      throw new WasmletError('AlreadyExists', `${HOLDERS[kind]} (process ${holder}) runs already on ${directory}`);
    }
    await delay(randomInt(1, MAX_WAIT_MS));
  }
}

/** Who holds a folder's lock, if anybody alive does. Looks only. */
export async function lockHolder(directory: string, kind: LockHolder): Promise<ProcessIdentity | undefined> {
  const names = await readdir(directory).catch((): string[] => []);
  for (const name of names) {
    if (!name.startsWith(`${kind}-`) || !name.endsWith(SUFFIX)) continue;
    const holder = holderSchema.safeParse(await readJson(join(directory, name))).data;
    if (holder !== undefined && isAlive(holder)) return holder;
  }
  return undefined;
}

/** The pid of another living holder; removes what the dead have left. */
async function otherHolder(directory: string, own: string, kind: LockHolder): Promise<number | undefined> {
  for (const name of await readdir(directory)) {
    if (name === own || !name.startsWith(`${kind}-`) || !name.endsWith(SUFFIX)) continue;
    const path = join(directory, name);
    const holder = holderSchema.safeParse(await readJson(path)).data;
    if (holder !== undefined && isAlive(holder)) return holder.pid;
    await rm(path, { force: true });
  }
  return undefined;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    // Removed by its owner between the listing and now, or damaged by a power cut: in both cases nobody's.
    return undefined;
  }
}
