/** The program that runs the suite inside a machine's network namespace: see machine.ts. */
import { createInterface } from 'node:readline';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { MachineLine, MachineRequest } from './machine.ts';
import { runOnce } from './once.ts';

const say = (line: MachineLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const ended = new AbortController();
// Ctrl-C reaches every process of the terminal; the one that started this decides, and closes standard input.
process.on('SIGINT', () => undefined);
for (const name of ['SIGTERM', 'SIGHUP'] as const) process.once(name, () => ended.abort());

const input = createInterface({ input: process.stdin });
input.once('close', () => ended.abort());
input.once('line', (line) => {
  const { options, podNetwork } = JSON.parse(line) as MachineRequest;
  void runOnce(options, { report: (text) => say({ report: text }), signal: ended.signal }, podNetwork)
    .then(
      (specs) => say({ specs }),
      (error: unknown) => {
        const code = error instanceof WasmletError ? error.code : 'Internal';
        say({ failed: { code, message: messageOf(error) } });
      },
    )
    .finally(() => process.stdin.destroy());
});
