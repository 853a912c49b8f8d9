#!/usr/bin/env node
import { CommanderError } from 'commander';
import { hasCode, messageOf } from '../base/errors.ts';
import { program } from './program.ts';

/** Wrong use or wrong configuration, as the shell's own. */
const USAGE = 2;
const FAILURE = 1;

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

process.exitCode = await main(process.argv);
