import { demangle } from '../../wasm/demangle.ts';
import { GuestTrap } from '../engine.ts';
import type { LocateLines } from './source-lines.ts';

/** Frames kept of a guest's stack: enough to see where an endless recursion goes round. */
export const MAX_FRAMES = 64;
const STACK_EXHAUSTED = 'call stack exhausted';

/**
 * `    at module.name (wasm://wasm/module-hash:wasm-function[12]:0x1a3)`; the module's name is there where its name
 * section tells it, the function's name and the brackets where it has one.
 */
const WASM_FRAME = /^\s+at (?:(.*) \()?wasm:\/\/wasm\/(?:(.*)-)?[0-9a-f]+:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;

/**
 * What a call of the guest threw, as the engine's interface wants it: GuestTrap for what the guest did, and all else
 * (an exit, a fault of the host) as it is.
 */
export function trapFrom(error: unknown, locate: LocateLines = () => new Map()): unknown {
  if (error instanceof WebAssembly.RuntimeError) {
    return new GuestTrap(error.message, framesOf(error, locate), { cause: error });
  }
  if (error instanceof WebAssembly.Exception) {
    return new GuestTrap('exception that the guest did not catch', [], { cause: error });
  }
  // V8 tells of the stack's end as in JavaScript, also when it came in a host function that the guest had called.
  if (error instanceof RangeError && /call stack size exceeded/.test(error.message)) {
    return new GuestTrap(STACK_EXHAUSTED, framesOf(error, locate), { cause: error });
  }
  return error;
}

interface Frame {
  readonly name: string;
  readonly offset: number;
}

/** The guest's functions, innermost first, with their lines where the module tells them. */
function framesOf(error: Error, locate: LocateLines): readonly string[] {
  const frames: Frame[] = [];
  for (const line of error.stack?.split('\n') ?? []) {
    const match = WASM_FRAME.exec(line);
    if (match === null || frames.length === MAX_FRAMES) continue;
    const name = demangle(frameName(match[1] ?? '', match[2] ?? '', match[3] ?? '?'));
    frames.push({ name, offset: Number.parseInt(match[4] ?? '0', 16) });
  }
  const lines = locate(frames.map(({ offset }) => offset));
  return frames.map(({ name, offset }) => {
    const line = lines.get(offset);
    return line === undefined ? name : `${name} (${line})`;
  });
}

/** V8 takes it from the name section. */
function frameName(name: string, module: string, index: string): string {
  // V8 shows a function without a name by the module's.
  if (name === module) return `wasm-function[${index}]`;
  const own = module !== '' && name.startsWith(`${module}.`) ? name.slice(module.length + 1) : name;
  return own === '' ? `wasm-function[${index}]` : own;
}

let running = 0;
let usualLimit: number | undefined;

/** While disposed of last: V8 records MAX_FRAMES frames of a stack in place of the usual ten. */
export function withDeepStacks(): Disposable {
  if (running++ === 0) {
    usualLimit = Error.stackTraceLimit;
    Error.stackTraceLimit = MAX_FRAMES;
  }
  return {
    [Symbol.dispose]: () => {
      if (--running === 0 && usualLimit !== undefined) Error.stackTraceLimit = usualLimit;
    },
  };
}
