import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { identityOf, isAlive, signalProcess } from '../../base/process.ts';

/** What `wasmlet run` has of this user: images, and a folder for each guest that runs. */
export const stateFolder = (): string =>
  join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'wasmlet-run');

const identity = z.object({ pid: z.number().int(), startTime: z.string(), bootId: z.string() });
const ownerSchema = z.object({ owner: identity, host: identity.optional() });

const PREFIX = 'r-';
const OWNER = 'owner.json';

export interface RunFolder extends AsyncDisposable {
  readonly path: string;
  /** Notes the guest's process, for whoever clears up if this one is killed. */
  note(hostPid: number): void;
}

/** A folder for one guest; gone with it. Those whose `wasmlet run` was killed are cleared away, and their guests ended. */
export async function runFolder(): Promise<RunFolder> {
  const parent = stateFolder();
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  await clearAway(parent);
  const path = await mkdtemp(join(parent, PREFIX));
  const owner = identityOf(process.pid);
  writeFileSync(join(path, OWNER), JSON.stringify({ owner }));
  return {
    path,
    note: (hostPid) => writeFileSync(join(path, OWNER), JSON.stringify({ owner, host: identityOf(hostPid) })),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

async function clearAway(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(parent, name);
    const noted = readOwner(join(path, OWNER));
    // One that has just been made has no note yet.
    if (noted === undefined || isAlive(noted.owner)) continue;
    if (noted.host && isAlive(noted.host)) signalProcess(noted.host, 'SIGKILL');
    await rm(path, { recursive: true, force: true });
  }
}

function readOwner(path: string) {
  try {
    return ownerSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
