import { renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { GuestControl } from '../engine/engine.ts';
import { encodeMessage, MessageReader } from '../framing.ts';
import { CHECKPOINT_FILE, CONTROL_PROTOCOL_VERSION, MAX_CONTROL_REQUEST_BYTES } from './control-protocol.ts';
import type { ControlReply, ControlRequest, Numbered } from './control-protocol.ts';
import { asHost } from './guest-identity.ts';
import { LIFE_FD } from './protocol.ts';

const HAS_THREADS = 'a guest with threads is neither paused nor shown nor saved';

/**
 * Answers on the host's own socket what is asked about its guest (control-protocol.ts). Only for the engine that can:
 * networking code is memory of the host.
 * @param guest undefined: one with threads
 * @param directory the host's own folder
 */
export function serveControl(guest: GuestControl | undefined, directory: string): void {
  const { createServer } = process.getBuiltinModule('node:net');
  // Connections that ask nothing stand for the life of the process: like all else they end with it.
  const server = createServer((socket) => {
    accept(socket.unref(), async (request) => {
      // A guest that stands still has nothing else that keeps its process.
      if (request.type === 'pause' && guest) server.ref();
      if (request.type === 'resume') server.unref();
      return guest ? await perform(guest, directory, request) : { type: 'failed', message: HAS_THREADS };
    });
  });
  server.on('error', () => undefined);
  server.listen({ fd: LIFE_FD }).unref();
}

function accept(socket: Socket, act: (request: ControlRequest) => Promise<ControlReply>): void {
  const reader = new MessageReader(MAX_CONTROL_REQUEST_BYTES);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of reader.push(chunk)) void answer(socket, message as Numbered<ControlRequest>, act);
    } catch {
      // Who does not speak the protocol cannot be answered in it.
      socket.destroy();
    }
  });
}

async function answer(
  socket: Socket,
  request: Numbered<ControlRequest>,
  act: (request: ControlRequest) => Promise<ControlReply>,
): Promise<void> {
  const reply = await act(request).catch((error: unknown) => ({ type: 'failed', message: messageOf(error) }) as const);
  socket.write(encodeMessage({ v: CONTROL_PROTOCOL_VERSION, id: request.id, ...reply }));
}

async function perform(guest: GuestControl, directory: string, request: ControlRequest): Promise<ControlReply> {
  switch (request.type) {
    case 'pause':
      await guest.pause();
      return { type: 'done' };
    case 'resume':
      guest.proceed();
      return { type: 'done' };
    case 'stack':
      return { type: 'stack', frames: guest.stack() };
    case 'profile':
      return { type: 'profile', data: Buffer.from(await guest.profile(request.milliseconds)).toString('base64') };
    case 'checkpoint':
      writeCheckpoint(directory, await guest.checkpoint());
      return { type: 'done' };
    default:
      return { type: 'failed', message: `this host does not know ${JSON.stringify((request as ControlRequest).type)}` };
  }
}

/** Under its name once it is whole. */
function writeCheckpoint(directory: string, state: Uint8Array): void {
  asHost(() => {
    const path = join(directory, CHECKPOINT_FILE);
    try {
      writeFileSync(`${path}.tmp`, state, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      rmSync(`${path}.tmp`, { force: true });
      throw error;
    }
  });
}
