import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testFolder } from '../../test-folder.ts';

/** What a plugin was called with. */
export interface SeenCall {
  readonly plugin: string;
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Small network plugins, programs as real ones are, in a folder of their own. */
export class TestPlugins implements Disposable {
  readonly binDir: string;
  readonly confDir: string;
  readonly folder: string;
  readonly #folder = testFolder();
  readonly #log: string;

  constructor() {
    this.folder = this.#folder.path;
    this.binDir = join(this.folder, 'bin');
    this.confDir = join(this.folder, 'conf');
    this.#log = join(this.folder, 'calls');
    mkdirSync(this.binDir);
    mkdirSync(this.confDir);
  }

  /**
   * Adds a plugin that notes its call.
   * @param body JavaScript that answers: `call` is the call, console.log the answer, process.exit the end
   */
  add(name: string, body: string): void {
    const program = [
      `#!${process.execPath}`,
      `const { readFileSync, appendFileSync } = require('node:fs');`,
      `const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith('CNI_')));`,
      `const config = JSON.parse(readFileSync(0, 'utf8'));`,
      `const call = { plugin: ${JSON.stringify(name)}, command: environment.CNI_COMMAND, environment, config };`,
      `appendFileSync(${JSON.stringify(this.#log)}, JSON.stringify(call) + '\\n');`,
      body,
    ];
    writeFileSync(join(this.binDir, name), program.join('\n'), { mode: 0o755 });
  }

  /** Lays a configuration down. */
  configure(file: string, config: unknown): void {
    writeFileSync(join(this.confDir, file), typeof config === 'string' ? config : JSON.stringify(config));
  }

  /** The calls so far, oldest first. */
  calls(): SeenCall[] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as SeenCall);
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
