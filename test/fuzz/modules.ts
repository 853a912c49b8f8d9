import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { WasmletError } from '../../base/errors.ts';
import { InstructionReader } from '../../runtime/wasm/instructions.ts';
import type { Module } from '../../runtime/wasm/module.ts';
import { OPCODES } from '../../runtime/wasm/opcodes.ts';
import type { Opcode } from '../../runtime/wasm/opcodes/opcode.ts';
import { buildRustProgram, type RustProgram } from '../support/cargo.ts';
import { buildGuest, type GuestName, whyNoGuest } from '../support/guests.ts';

/** A number below the bound, at random. */
export type Random = (below: number) => number;

const GENERATOR: RustProgram = {
  name: 'fuzz-modules',
  source: join(import.meta.dirname, 'rust'),
  pinned: { 'wasm-smith': '1102593f74a5b8b496683ea553f55a899a54461a5ad370d1a9eafd32e698a29d' },
  duration: '1 min',
};

/**
 * Modules from wasm-smith: valid, without imports, with all that they define exported. The last global of each is of type
 * i32 and holds how many loops and calls are left to it until it traps.
 * @throws WasmletError FailedPrecondition and Internal when the generator cannot be built
 */
export async function smithModules(firstSeed: number, count: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const program = await buildRustProgram(GENERATOR);
  const child = spawn(program, [String(firstSeed), String(count)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [code, written] = await Promise.all([ended, buffer(child.stdout)]);
  if (code !== 0) throw new WasmletError('Internal', `fuzz-modules ended with ${code}`);
  const modules: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < written.length;) {
    const length = written.readUInt32LE(at);
    modules.push(Uint8Array.from(written.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return modules;
}

/** Made by several toolchains; of those that are not there a mutation takes another. */
const REAL: readonly GuestName[] = ['hello-wat', 'hello-c', 'hello-as', 'work-c', 'kernels', 'work-as', 'hello-rust'];

/** Programs as toolchains make them. */
export async function realModules(): Promise<Uint8Array<ArrayBuffer>[]> {
  const modules: Uint8Array<ArrayBuffer>[] = [];
  for (const name of REAL) {
    if ((await whyNoGuest(name)) === undefined) modules.push(new Uint8Array(await readFile(await buildGuest(name))));
  }
  return modules;
}

const ONE_BYTE = 0x100;

/** Instructions that can stand for one another, by what they take, give and have behind them. */
const ALIKE = Map.groupBy(
  OPCODES.filter(({ signature, code, lanes }) => signature !== undefined && code < ONE_BYTE && lanes === 0),
  kindOf,
);

function kindOf({ signature, immediates }: Opcode): string {
  return `${signature?.parameters.join()}>${signature?.results.join()} ${immediates.join()}`;
}

/**
 * A copy of a module with one to three instructions changed: each for another of the same types, or a byte of what stands
 * behind it. Most are valid still.
 */
export function withOtherInstructions({ bytes, bodies }: Module, random: Random): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(bytes);
  for (let left = 1 + random(3); left > 0; left--) {
    const body = bodies[random(bodies.length)];
    if (body === undefined) continue;
    const starts: number[] = [];
    for (const reader = new InstructionReader(bytes, body.codeStart, body.end); !reader.atEnd; reader.next()) {
      starts.push(reader.end);
    }
    changeInstruction(copy, new InstructionReader(bytes, starts[random(starts.length)] ?? 0, body.end), random);
  }
  return copy;
}

function changeInstruction(into: Uint8Array, reader: InstructionReader, random: Random): void {
  const opcode = reader.next();
  const alike = opcode.code < ONE_BYTE && opcode.signature !== undefined ? (ALIKE.get(kindOf(opcode)) ?? []) : [];
  const behind = reader.end - reader.immediatesStart;
  if (alike.length > 1 && (behind === 0 || random(2) === 0)) {
    into[reader.start] = alike[random(alike.length)]?.code ?? opcode.code;
  } else if (behind > 0) {
    const at = reader.immediatesStart + random(behind);
    // Numbers stay as long as they were.
    into[at] = ((into[at] ?? 0) & 0x80) | random(0x80);
  }
}
