import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ApiObject } from './object.ts';
import { Store } from './store.ts';

const KILLS = Number(process.env['WASMLET_TEST_KILLS'] ?? 8);
const WRITER = join(import.meta.dirname, 'test-writer.ts');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-kills-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Lets a process write, and kills it in the middle of it. @returns what it said was written */
async function writeUntilKilled(file: string, round: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, file, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const after = 5 + Math.floor(Math.random() * 40);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === after) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return lines;
}

const valueOf = (object: ApiObject): string => (object['data'] as { value: string }).value;

test(
  `${KILLS} times killed while it writes, a store has lost nothing that was acknowledged, and has no change twice`,
  async () => {
    const file = join(folder, 'state.db');
    let last = 0;
    for (let round = 1; round <= KILLS; round += 1) {
      const acknowledged = await writeUntilKilled(file, round);
      using store = new Store(file);
      const log = store.since('configmaps', last);
      // One write may have been made whose acknowledgement the kill has swallowed.
      const made = log.map(
        ({ revision, type, object, key }) => `${revision} ${type === 'DELETED' ? type : valueOf(object)} ${key.name}`,
      );
      expect(made.slice(0, acknowledged.length)).toEqual(acknowledged);
      expect(made.length - acknowledged.length).toBeLessThanOrEqual(1);
      expect(log.map(({ revision }) => revision)).toEqual(log.map((_, index) => last + 1 + index));
      // The state is what the log amounts to.
      const state = new Map<string, string>();
      for (const { type, object, key } of store.since('configmaps', 0)) {
        if (type === 'DELETED') state.delete(key.name);
        else state.set(key.name, valueOf(object));
      }
      const listed = store
        .list('configmaps')
        .objects.map((object) => [object.metadata.name ?? '', valueOf(object)] as const);
      expect(new Map(listed)).toEqual(state);
      last = store.revision;
    }
  },
  30_000 + KILLS * 20_000,
);
