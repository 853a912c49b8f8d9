import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { buildGuest, type GuestName } from '../support/guests.ts';
import { findWasmtime, runUnderWasmtime } from '../support/wasmtime.ts';
import { BareRuntime } from './bare-runtime.ts';
import type { Report } from './stage.ts';
import { median } from './statistics.ts';

const WORK = '/work';
/** Turns of the two, one after the other: what else the machine does falls on both. */
const TURNS = 3;

/** What a guest says of itself: nanoseconds by name. */
type Times = ReadonlyMap<string, number>;

/**
 * Runs a guest that measures itself in a container of ours and under wasmtime, in turns, each in a folder of its own.
 * @returns how many times faster we are: the geometric mean over all that it measures
 */
export async function besideWasmtime(guest: GuestName, report: Report): Promise<number> {
  const wasmtime = await findWasmtime();
  if ('missing' in wasmtime) throw new WasmletError('FailedPrecondition', wasmtime.missing);
  const module = await buildGuest(guest);
  await using runtime = await BareRuntime.start();
  const folder = await mkdtemp(join(tmpdir(), 'wasmlet-bench-'));
  try {
    const turns: { ours: Times; theirs: Times }[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      report(`${guest}: turn ${turn + 1} of ${TURNS}, ours and wasmtime's`);
      const [own, peer] = [join(folder, `own-${turn}`), join(folder, `peer-${turn}`)];
      await Promise.all([mkdir(own), mkdir(peer)]);
      const mounts = [{ containerPath: WORK, hostPath: own, readonly: false }];
      const { logPath } = await runtime.run(guest, [WORK], 'wasm', mounts);
      const ours = timesOf(guest, (await readFile(logPath, 'utf8')).replace(/^\S+ \S+ [FP] /gm, ''));
      const folders = { [WORK]: peer, '/dev': '/dev' };
      const { stdout } = await runUnderWasmtime(wasmtime, { module, args: [guest, WORK], folders });
      turns.push({ ours, theirs: timesOf(guest, stdout) });
    }
    return compare(turns, report);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function timesOf(guest: string, output: string): Times {
  const times = output
    .trim()
    .split('\n')
    .map((line) => /^(\S+) ([\d.]+)$/.exec(line));
  if (times.includes(null)) throw new WasmletError('Internal', `${guest} has said: ${output}`);
  return new Map(times.map((match) => [match?.[1] ?? '', Number(match?.[2])]));
}

function compare(turns: readonly { ours: Times; theirs: Times }[], report: Report): number {
  const names = [...(turns[0]?.ours.keys() ?? [])];
  const ratios = names.map((name) => {
    const of = (side: 'ours' | 'theirs') => median(turns.map((turn) => turn[side].get(name) ?? NaN));
    const [ours, theirs] = [of('ours'), of('theirs')];
    report(`  ${name}: ${shown(ours)}, wasmtime ${shown(theirs)}: ${(theirs / ours).toFixed(2)}`);
    return theirs / ours;
  });
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

const shown = (nanoseconds: number): string =>
  nanoseconds < 10_000 ? `${nanoseconds.toFixed(0)} ns` : `${(nanoseconds / 1000).toFixed(0)} µs`;
