import { connect } from 'node:net';
import { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import { encodeMessage, MessageReader } from '../framing.ts';
import { CONTROL_PROTOCOL_VERSION } from '../host/control-protocol.ts';
import type { ControlReply, ControlRequest } from '../host/control-protocol.ts';

/** Bytes of an answer at the most: a profile, or the locals of all calls. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/** A name of a program's own can be long, and C++ makes it longer. */
const MAX_TEXT = 4096;
const MAX_FRAMES = 1024;
const MAX_LOCALS = 10_000;

const text = z.string().transform((value) => value.slice(0, MAX_TEXT));

export const guestFrame = z.object({
  function: text,
  offset: z.number().int().min(0),
  line: text.exactOptional(),
  locals: z
    .array(z.object({ name: text, type: text, value: text }))
    .max(MAX_LOCALS)
    .readonly(),
});

const replySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('done') }),
  z.object({ type: z.literal('stack'), frames: z.array(guestFrame).max(MAX_FRAMES) }),
  z.object({ type: z.literal('profile'), data: z.base64() }),
  z.object({ type: z.literal('failed'), message: text }),
]) satisfies z.ZodType<ControlReply>;

/**
 * Asks a host something about its guest, over the host's own socket, and closes that again.
 * @param path of the socket
 * @throws WasmletError FailedPrecondition when the host cannot do it, with its own words; Unavailable when it is gone;
 *   DeadlineExceeded when it answers nothing for `timeoutMs`; Internal for an answer that is none
 */
export async function askHost(path: string, request: ControlRequest, timeoutMs: number): Promise<ControlReply> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const reader = new MessageReader(MAX_REPLY_BYTES);
  const socket = connect(path);
  const timer = setTimeout(() => {
    reject(new WasmletError('DeadlineExceeded', `the host process did not answer within ${timeoutMs} ms`));
  }, timeoutMs);
  socket.on('error', () => undefined);
  socket.once('close', () => reject(new WasmletError('Unavailable', 'the host process is gone')));
  socket.on('data', (chunk: Buffer) => {
    try {
      const [message] = reader.push(chunk);
      if (message !== undefined) resolve(message);
    } catch (cause) {
      reject(new WasmletError('Internal', 'the host process answered nonsense', { cause }));
    }
  });
  socket.write(encodeMessage({ v: CONTROL_PROTOCOL_VERSION, id: 1, ...request }));
  try {
    return parse(await promise);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function parse(message: unknown): ControlReply {
  const parsed = replySchema.safeParse(message);
  if (!parsed.success) {
    throw new WasmletError('Internal', 'the host process answered nonsense', { cause: parsed.error });
  }
  if (parsed.data.type === 'failed') throw new WasmletError('FailedPrecondition', parsed.data.message);
  return parsed.data;
}
