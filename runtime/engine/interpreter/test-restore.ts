/**
 * For tests, a process of its own: puts saved states back, one after the other, and runs each to its end.
 * `node test-restore.ts MODULE STATES`; says of each, on a line, how it ended. States stand behind their lengths.
 */
import { readFileSync } from 'node:fs';
import { restoreMachine } from './machine/snapshot.ts';
import { endOf, TestGuest } from './test-guest.ts';

const [moduleFile = '', statesFile = ''] = process.argv.slice(2);
const module = new Uint8Array(readFileSync(moduleFile));
const states = readFileSync(statesFile);
for (let at = 0; at < states.length;) {
  const length = states.readUInt32LE(at);
  const guest = new TestGuest(module);
  restoreMachine(guest.machine, guest.instance, states.subarray(at + 4, at + 4 + length));
  process.stdout.write(`${endOf(guest)}\n`);
  at += 4 + length;
}
