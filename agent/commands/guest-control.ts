import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { GuestFrame } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

/** `wasmlet pause`: makes guests stand still, and prints the id of each container. */
export async function pauseCommand(config: Config, ids: readonly string[]): Promise<void> {
  await forEach(config, ids, (runtime, id) => runtime.pauseContainer(id));
}

/** `wasmlet resume`: lets guests go on that stand still. */
export async function resumeCommand(config: Config, ids: readonly string[]): Promise<void> {
  await forEach(config, ids, (runtime, id) => runtime.resumeContainer(id));
}

type Runtime = Parameters<Parameters<typeof withRuntime>[1]>[0];

async function forEach(
  config: Config,
  ids: readonly string[],
  act: (runtime: Runtime, id: string) => Promise<void>,
): Promise<void> {
  await withRuntime(config, async (runtime) => {
    for (const prefix of ids) {
      const { id } = await findContainer(runtime, prefix);
      await act(runtime, id);
      process.stdout.write(`${id}\n`);
    }
  });
}

/** `wasmlet stack`: the calls of a guest, innermost first. @param options with `locals`, those of each call */
export async function stackCommand(
  config: Config,
  idPrefix: string,
  options: { readonly locals: boolean; readonly output: 'text' | 'json' },
): Promise<void> {
  const frames = await withRuntime(config, async (runtime) => {
    return await runtime.containerStack((await findContainer(runtime, idPrefix)).id);
  });
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(frames, undefined, 2)}\n`);
  else for (const [number, frame] of frames.entries()) process.stdout.write(printed(number, frame, options.locals));
}

function printed(number: number, { function: name, line, offset, locals }: GuestFrame, withLocals: boolean): string {
  const head = `#${number} ${name} at ${line ?? `0x${offset.toString(16)}`}`;
  const rest = withLocals ? locals.map((local) => `    ${local.name}: ${local.type} = ${local.value}`) : [];
  return [head, ...rest].map((text) => `${plain(text)}\n`).join('');
}

/** Names are the guest's: they give a terminal no orders. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, '?');

/** `wasmlet profile`: where a guest spends its fuel, as pprof reads it. */
export async function profileCommand(
  config: Config,
  idPrefix: string,
  { duration, output }: { readonly duration: number; readonly output: string },
): Promise<void> {
  await withRuntime(config, async (runtime) => {
    const { id } = await findContainer(runtime, idPrefix);
    await writeFile(output, await runtime.profileContainer(id, duration), { mode: 0o600 });
  });
}

/** `wasmlet checkpoint`: a guest's whole state into a file. */
export async function checkpointCommand(config: Config, idPrefix: string, output: string): Promise<void> {
  await withRuntime(config, async (runtime) => {
    const { id } = await findContainer(runtime, idPrefix);
    await runtime.checkpointContainer(id, resolve(output));
  });
}
