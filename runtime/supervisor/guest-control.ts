import { constants, createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WasmletError } from '../../base/errors.ts';
import { CHECKPOINT_FILE } from '../host/control-protocol.ts';
import type { ControlReply, ControlRequest } from '../host/control-protocol.ts';
import type { GuestFrame } from '../service.ts';
import type { ContainerEntry } from './container.ts';
import { askHost } from './control.ts';
import { hostSocketPath } from './hosts.ts';
import { hostStatePath } from './records.ts';

const REQUEST_TIMEOUT_MS = 60_000;

/** How a container's guest is made to stand still and looked into: what only some engines can. */
export interface ControlledContainer {
  readonly container: ContainerEntry;
  /** Holds the hosts' sockets. */
  readonly runDirectory: string;
}

/** @throws WasmletError FailedPrecondition for a container that does not run, or whose engine cannot; as `askHost` */
async function ask<Type extends ControlReply['type']>(
  { container, runDirectory }: ControlledContainer,
  request: ControlRequest,
  expected: Type,
  moreMs = 0,
): Promise<Extract<ControlReply, { readonly type: Type }>> {
  const { host, state, id } = container;
  if (container.owner.engine !== 'interpreter') {
    throw new WasmletError(
      'FailedPrecondition',
      `container ${id} runs on V8, which can neither stop nor show a guest: run its pod with runtimeClassName wasm-interpreter`,
    );
  }
  if (state !== 'CONTAINER_RUNNING' || !host) {
    throw new WasmletError('FailedPrecondition', `container ${id} is in ${state} state`);
  }
  const reply = await askHost(hostSocketPath(runDirectory, host.id), request, REQUEST_TIMEOUT_MS + moreMs);
  if (reply.type === expected) return reply as Extract<ControlReply, { readonly type: Type }>;
  throw new WasmletError('Internal', `the host of container ${id} answered ${reply.type} in place of ${expected}`);
}

export async function pauseGuest(controlled: ControlledContainer): Promise<void> {
  await ask(controlled, { type: 'pause' }, 'done');
}

export async function resumeGuest(controlled: ControlledContainer): Promise<void> {
  await ask(controlled, { type: 'resume' }, 'done');
}

export async function stackOfGuest(controlled: ControlledContainer): Promise<readonly GuestFrame[]> {
  return (await ask(controlled, { type: 'stack' }, 'stack')).frames;
}

/** @returns the profile in pprof's form, Base64 */
export async function profileGuest(controlled: ControlledContainer, milliseconds: number): Promise<string> {
  return (await ask(controlled, { type: 'profile', milliseconds }, 'profile', milliseconds)).data;
}

/** @param location the file to write. The host writes into its own folder: it reaches no other */
export async function checkpointGuest(controlled: ControlledContainer, location: string): Promise<void> {
  const written = join(hostStatePath(controlled.container.directory), CHECKPOINT_FILE);
  await rm(written, { force: true });
  await ask(controlled, { type: 'checkpoint' }, 'done');
  try {
    await copyPlain(written, location);
  } finally {
    await rm(written, { force: true });
  }
}

/** Copies what is a file itself: a guest that has become its host could have put a link to another there. */
async function copyPlain(from: string, to: string): Promise<void> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  await using source = await open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!(await source.stat()).isFile()) throw new WasmletError('Internal', 'the host has written no file');
  await pipeline(source.createReadStream({ autoClose: false }), createWriteStream(to, { mode: 0o600 }));
}
