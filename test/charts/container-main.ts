/**
 * Stands for an agent in its container: connects to the runtime, which it starts by a launcher, and stays.
 *
 * Usage: node container-main.ts ROOT LAUNCHER (JSON)
 */
import { createLogger } from '../../base/log.ts';
import { connectRuntime } from '../../runtime/service.ts';

const [root = '', launcher = '[]'] = process.argv.slice(2);
const runtime = await connectRuntime({
  root,
  socket: `${root}/runtime.sock`,
  spawn: true,
  launcher: JSON.parse(launcher) as string[],
  handlers: { wasm: { engine: 'v8', isolation: 'process' } },
  defaultHandler: 'wasm',
  logger: createLogger({ level: 'info', format: 'json' }),
});
await runtime.version();
process.stdout.write('up\n');
setInterval(() => undefined, 1 << 30);
