import { spawnSync } from 'node:child_process';
import { mkdtempDisposableSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { lockFolder } from '../base/lock.ts';
import { VERSION } from '../base/version.ts';
import { configOptions } from './config/options.ts';

const CLI = join(import.meta.dirname, 'cli.ts');

function wasmlet(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', ...env },
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

test('version tells the release', () => {
  expect(wasmlet(['version'])).toMatchObject({ status: 0, stdout: expect.stringContaining(VERSION) as string });
  expect(JSON.parse(wasmlet(['version', '--output', 'json']).stdout)).toMatchObject({ wasmlet: VERSION });
});

test('config prints the configuration that would be used, as YAML and as JSON', () => {
  const args = ['config', '--node-name', 'a', '--register-node=false', '--node-ip', '10.0.0.1,10.0.0.2'];
  const yaml = wasmlet(args, { WASMLET_MAX_PODS: '5' });
  expect(yaml.status).toBe(0);
  expect(parse(yaml.stdout)).toMatchObject({
    nodeName: 'a',
    registerNode: false,
    nodeIP: ['10.0.0.1', '10.0.0.2'],
    maxPods: 5,
  });
  expect(JSON.parse(wasmlet([...args, '-o', 'json']).stdout)).toMatchObject({ nodeName: 'a' });
});

test('help of a command names every option and its variable', () => {
  const { status, stdout } = wasmlet(['agent', '--help']);
  expect(status).toBe(0);
  for (const { flag, variable } of configOptions()) {
    expect(stdout).toContain(`--${flag}`);
    expect(stdout.replace(/\s+/g, ' ')).toContain(variable);
  }
  expect(stdout).toContain('default memory.available=100Mi,nodefs.available=10%');
  expect(stdout).not.toContain('preset');
});

test('a boolean flag alone means true', () => {
  const { stdout } = wasmlet(['config', '--serialize-image-pulls', '-o', 'json', '--node-name', 'a']);
  expect(JSON.parse(stdout)).toMatchObject({ serializeImagePulls: true });
});

test('config shows the paths of key files', () => {
  const args = ['config', '--node-name', 'a', '--tls-cert-file', '/tls.crt', '--tls-private-key-file', '/tls.key'];
  expect(parse(wasmlet(args).stdout)).toMatchObject({ tlsPrivateKeyFile: '/tls.key' });
});

test.each([
  [['agent', '--max-pods', 'none'], /maxPods \(flag --max-pods\): expected number/],
  [['agent', '--max-pod', '1'], /unknown option '--max-pod'[\s\S]*see wasmlet agent --help/],
  [['agent', '--config', '/does/not/exist'], /configuration file cannot be read/],
  [['fly'], /unknown command 'fly'/],
])('%j is wrong use: exit code 2, a message and no stack', (args, message) => {
  const { status, stderr, stdout } = wasmlet(args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe('');
});

test.each(['agent', 'cri'])('%s is refused on a folder that is in use', async (command) => {
  using root = mkdtempDisposableSync(join(tmpdir(), 'wasmlet-cli-'));
  await using _lock = await lockFolder(root.path, 'agent');
  const { status, stderr } = wasmlet([command, '--node-name', 'n1', '--root-dir', root.path]);
  expect(status).toBe(1);
  expect(stderr).toContain(`an agent or CRI server (process ${process.pid}) runs already on ${root.path}`);
});

test('an agent without an identity says what to give it', () => {
  const root = mkdtempSync(join(tmpdir(), 'wasmlet-cli-'));
  try {
    const { status, stderr } = wasmlet(['agent', '--node-name', 'n1', '--root-dir', root]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/no identity for node n1: .*set kubeconfig to credentials of system:node:n1/);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a reader that goes ends a command, without a word', () => {
  const line = '{ "$0" --no-warnings "$1" completion fish; echo "$?" >&2; } | true';
  const { stderr } = spawnSync('sh', ['-c', line, process.execPath, CLI], { encoding: 'utf8', timeout: 60_000 });
  expect(stderr).toBe('141\n');
});

test('a module file that is not there is not taken for a container', () => {
  expect(wasmlet(['inspect', 'nothing.wasm'])).toMatchObject({
    status: 1,
    stderr: 'wasmlet: nothing.wasm: there is no such file\n',
  });
});
