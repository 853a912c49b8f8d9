import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERSION } from '../base/version.ts';
import { prints } from '../runtime/test-guests.ts';
import { TestRuntime } from '../runtime/test-runtime.ts';
import { bundle } from './bundle.ts';

/** The command line is in parts, each with a command or what several share. */
const PART = /^cli-[\w-]+-[0-9A-Z]{8}\.mjs$/;

let output: string;
let files: string[];
beforeAll(async () => {
  output = mkdtempSync(join(tmpdir(), 'wb-'));
  files = await bundle(join(output, 'dist'));
});
afterAll(() => rmSync(output, { recursive: true, force: true }));

describe('the published bundle', () => {
  test('has every process of wasmlet', () => {
    const names = files.map((file) => basename(file));
    expect(names.filter((name) => !PART.test(name)).sort()).toEqual([
      'cli.mjs',
      'host.cjs',
      'pull-worker.mjs',
      'rewrite-worker.mjs',
      'supervisor.mjs',
      'wasmlet.cjs',
    ]);
  });

  test('hands on the licence of each package that is in it', () => {
    const licenses = readFileSync(join(output, 'dist', 'THIRD_PARTY_LICENSES'), 'utf8');
    const bundled = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(([, name]) => name!),
    );
    expect(new Set(bundled).size).toBeGreaterThan(10);
    for (const name of new Set(bundled)) expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'));
  });

  test('needs nothing but Node, each file parses, and none holds a path of the machine it was built on', () => {
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      // Those of the command line are of one build with it.
      if (!PART.test(basename(file))) execFileSync(process.execPath, ['--check', file]);
      const imports = [...text.matchAll(/^import .* from "([^"]+)";?$/gm)].map(([, name]) => name!);
      const others = imports.filter((name) => !name.startsWith('node:') && !/^[a-z_/]+$/.test(name));
      const parts = others.filter((name) => PART.test(basename(name)) && files.includes(join(file, '..', name)));
      expect(others).toEqual(parts);
      expect(text).not.toContain(process.cwd());
    }
  });

  test('has a command line that runs outside the repository', () => {
    const cli = files.find((file) => file.endsWith('cli.mjs'))!;
    expect(statSync(cli).mode & 0o111).not.toBe(0);
    const { stdout, status } = spawnSync(process.execPath, [cli, 'version'], { cwd: output, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout.trim()).toContain(VERSION);
  });

  test('has a command line that loads no more than its command needs', () => {
    const contentOf = (file: string): string => readFileSync(file, 'utf8');
    const loadedBy = (file: string, seen = new Set<string>()): Set<string> => {
      if (seen.has(file)) return seen;
      seen.add(file);
      const imports = contentOf(file).matchAll(/^(?:import|export) [^;]*?"\.\/([^"]+)";$/gm);
      for (const [, name = ''] of imports) loadedBy(join(file, '..', name), seen);
      return seen;
    };
    const packagesOf = (start: string): Set<string> => {
      const file = files.find((each) => basename(each).startsWith(start))!;
      const text = [...loadedBy(file)].map(contentOf).join('\n');
      return new Set([...text.matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(([, name = '']) => name));
    };
    expect([...packagesOf('cli.mjs')].sort()).toEqual(['commander', 'yaml', 'zod']);
    expect([...packagesOf('cli-images-')]).not.toEqual(expect.arrayContaining(['undici']));
    expect([...packagesOf('cli-run-image-')]).not.toEqual(expect.arrayContaining(['undici']));
    expect([...packagesOf('cli-agent-')]).toEqual(expect.arrayContaining(['express', 'undici']));
  });

  test('has no part that takes names of a CommonJS package that esbuild cannot tell: when it is imported late, or all of it', () => {
    const texts = new Map(files.map((file) => [basename(file), readFileSync(file, 'utf8')]));
    const imported = [...texts.values()].flatMap((text) =>
      [...text.matchAll(/\bimport\("\.\/(cli-[^"]+)"\)/g)].map(([, name = '']) => name),
    );
    expect(imported.length).toBeGreaterThan(10);
    for (const name of imported) expect(texts.get(name)).not.toMatch(/^export default /m);
    for (const [name, text] of texts) if (PART.test(name)) expect(text).not.toContain('__reExport(');
  });

  test('has a command for whatever Node is there, which runs the program on one that is new enough', () => {
    const launcher = files.find((file) => file.endsWith('wasmlet.cjs'))!;
    expect(statSync(launcher).mode & 0o111).not.toBe(0);
    const version = () => spawnSync(process.execPath, [launcher, 'version'], { cwd: output, encoding: 'utf8' });
    expect(version().stdout).toContain(VERSION);
    // As an old Node takes it: no syntax of later years, and another Node where the package has one.
    const text = readFileSync(launcher, 'utf8');
    expect(text).not.toMatch(/\bawait\b|#[a-z]/);
    writeFileSync(launcher, text.replace('process.versions.node', '"20.1.0"'));
    const { status, stderr } = version();
    expect([status, stderr]).toEqual([1, expect.stringContaining('needs Node 26 or later') as string]);
    const folder = join(output, 'node_modules', `node-linux-${process.arch}`, 'bin');
    mkdirSync(folder, { recursive: true });
    const node = join(folder, 'node');
    symlinkSync(process.execPath, node);
    expect(version().stdout).toContain(VERSION);
    expect(spawnSync(process.execPath, [launcher, 'nonsense'], { cwd: output }).status).toBe(2);
    // As the loader ends a Node whose library is not there.
    rmSync(node);
    writeFileSync(node, '#!/bin/sh\necho no library >&2\nexit 127\n', { mode: 0o755 });
    const lacking = version();
    expect([lacking.status, lacking.stderr]).toEqual([127, expect.stringContaining('install libatomic1') as string]);
    // A program that itself ends so has nothing to do with it.
    writeFileSync(node, '#!/bin/sh\ntest "$1" = --version || exit 127\n');
    expect(version()).toMatchObject({ status: 127, stderr: '' });
  });

  test('keeps the host small: no logging, no validation, no Kubernetes in it', () => {
    const host = files.find((file) => file.endsWith('host.cjs'))!;
    expect(statSync(host).size).toBeLessThan(400 * 1024);
    expect(readFileSync(host, 'utf8')).not.toMatch(/node_modules\/(zod|winston|undici)/);
  });

  test('has a supervisor that runs a container with the host beside it', async () => {
    const supervisor = files.find((file) => file.endsWith('supervisor.mjs'))!;
    await using runtime = await TestRuntime.start(supervisor);
    const { container } = await runtime.run(prints('hello\n'));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });
});
