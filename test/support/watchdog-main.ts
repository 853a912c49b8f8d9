// The watchdog of watchdog.ts: `watchdog-main.ts MARK FOLDER`. Its standard input is a pipe from the owner.
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { OWNER_VARIABLE } from './watchdog.ts';

/** Looks again this often and this many times: a process may be forking while it is looked at. */
const ROUNDS = 20;
const ROUND_MS = 100;

const [, , mark, folder] = process.argv;
if (mark === undefined || folder === undefined) throw new Error('usage: watchdog-main.ts MARK FOLDER');

let word = '';
for await (const chunk of process.stdin) word += String(chunk);
if (word !== 'done') {
  for (let round = 0, quiet = 0; round < ROUNDS && quiet < 2; round += 1) {
    quiet = killMarked(`${OWNER_VARIABLE}=${mark}`) === 0 ? quiet + 1 : 0;
    await delay(ROUND_MS);
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Kills every process with this line in its environment; returns how many there were. */
function killMarked(line: string): number {
  let killed = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(line)) continue;
      process.kill(Number(pid), 'SIGKILL');
      killed += 1;
    } catch {
      // It ended meanwhile, or is another user's and so not ours.
    }
  }
  return killed;
}
