import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModuleError } from '../../runtime/wasm/module-error.ts';
import { loadModule } from '../../runtime/wasm/validate.ts';
import { ENGINES } from './engine.ts';
import { bytesOf, SuiteRunner } from './runner.ts';
import { SKIPS, whySkipped } from './skips.ts';
import { type Command, loadSuite, type SuiteFile, whyNoSuite } from './suite.ts';

const REFERENCE = join(import.meta.dirname, '../../docs/reference/spec-suite.md');
const missing = await whyNoSuite();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing);
const suite = missing === undefined ? await loadSuite() : [];
const named = suite.map((file) => [file.name, file] as const);

/** Directives that are run: those of the binary format that no skip names. */
function directives(file: SuiteFile): Command[] {
  return file.commands.filter(
    (command) =>
      whySkipped(file.name, command.line) === undefined &&
      (command.filename === undefined || bytesOf(file, command) !== undefined),
  );
}

if (missing !== undefined) test.skip(`the W3C suite is not run: ${missing}`);

describe.skipIf(missing !== undefined).each(ENGINES)('on $name, every directive of the W3C suite holds:', (engine) => {
  test('files are there', () => expect(named.length).toBeGreaterThan(200));

  test.each(named)('%s', (_, file) => {
    const runner = new SuiteRunner(engine, file);
    const failures: string[] = [];
    for (const command of directives(file)) {
      const failure = attempt(() => runner.run(command));
      if (failure !== undefined) failures.push(`line ${command.line}, ${command.type}: ${failure}`);
    }
    expect(failures).toEqual([]);
  });
});

function attempt(act: () => string | undefined): string | undefined {
  try {
    return act();
  } catch (error) {
    return `thrown: ${String(error)}`;
  }
}

/** What our decoder and validator should say of the module of a directive. */
const VERDICTS: Readonly<Record<string, string>> = { assert_malformed: 'malformed', assert_invalid: 'invalid' };

function verdict(bytes: Uint8Array): string {
  try {
    loadModule(bytes);
    return 'valid';
  } catch (error) {
    if (error instanceof ModuleError) return error.fault;
    throw error;
  }
}

describe.skipIf(missing !== undefined)('the decoder and the validator', () => {
  test('tell malformed, invalid and valid modules apart as the W3C suite does', () => {
    const wrong: string[] = [];
    let modules = 0;
    for (const file of suite) {
      for (const command of directives(file)) {
        const bytes = bytesOf(file, command);
        if (bytes === undefined) continue;
        modules++;
        const expected = VERDICTS[command.type] ?? 'valid';
        const said = verdict(bytes);
        if (said !== expected) wrong.push(`${file.name}:${command.line} is ${expected}, we say ${said}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(modules).toBeGreaterThan(5_000);
  });
});

test('docs/reference/spec-suite.md lists what is skipped, and nothing else', async () => {
  const rows = (await readFile(REFERENCE, 'utf8')).match(/^\| `.*$/gm) ?? [];
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim().replaceAll('`', '')));
  expect(cells.map(([, what, why]) => ({ what, why }))).toEqual(SKIPS);
});

test.skipIf(missing !== undefined)('nothing is skipped that is not there', () => {
  for (const { what } of SKIPS) {
    expect(suite.some(({ name }) => name === what.split(':')[0] || (what.endsWith('/') && name.startsWith(what)))).toBe(
      true,
    );
  }
});
