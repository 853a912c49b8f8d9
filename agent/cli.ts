#!/usr/bin/env node
import { CommanderError } from 'commander';
import { errnoOf, hasCode, messageOf } from '../base/errors.ts';
import { program } from './program.ts';

/** Wrong use or wrong configuration, as the shell's own. */
const USAGE = 2;
const FAILURE = 1;
/** As a shell says that SIGPIPE ended a program. */
const BROKEN_PIPE = 141;

async function main(argv: readonly string[]): Promise<number> {
  try {
    let exitCode = 0;
    await program((code) => (exitCode = code)).parseAsync(argv);
    return exitCode;
  } catch (error) {
    // Commander has printed its message (or help, which is no failure).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    process.stderr.write(`wasmlet: ${messageOf(error)}\n`);
    return hasCode(error, 'InvalidConfig') ? USAGE : FAILURE;
  }
}

// Who read the output has gone (`| head`). A command that goes on all the same listens for itself.
process.stdout.on('error', (error) => {
  if (errnoOf(error) !== 'EPIPE') throw error;
  if (process.stdout.listenerCount('error') === 1) process.exit(BROKEN_PIPE);
});
process.exitCode = await main(process.argv);
