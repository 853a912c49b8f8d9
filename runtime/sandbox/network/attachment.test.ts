import { expect, test } from 'vitest';
import { attach, check, detach } from './attachment.ts';
import type { Attachment } from './attachment.ts';
import { parseNetworkConfig } from './network-config.ts';
import { runPlugin } from './plugin.ts';
import { TestPlugins } from './test-plugins.ts';

const ANSWER = `console.log(JSON.stringify({ ...call.config.prevResult, cniVersion: call.config.cniVersion, [call.plugin]: true }))`;

function attachment(change: object = {}): Attachment {
  const config = {
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [
      { type: 'first', mtu: 1400 },
      { type: 'second', capabilities: { portMappings: true, dns: false } },
    ],
    ...change,
  };
  const capabilities = { portMappings: [{ hostPort: 80 }], dns: {} };
  return { ifName: 'eth0', list: parseNetworkConfig(JSON.stringify(config), 'test'), capabilities };
}

const ownerOf = (plugins: TestPlugins) => ({
  containerId: 'id',
  netns: '/run/netns/x',
  cniArgs: 'IgnoreUnknown=1;K8S_POD_NAME=web',
  binDir: plugins.binDir,
});

function twoPlugins(): TestPlugins {
  const plugins = new TestPlugins();
  plugins.add('first', ANSWER);
  plugins.add('second', ANSWER);
  return plugins;
}

test('ADD hands each result on to the next plugin, with the standard arguments and the capabilities that are declared', async () => {
  using plugins = twoPlugins();
  const result = await attach(ownerOf(plugins), attachment());
  expect(result).toEqual({ cniVersion: '1.0.0', first: true, second: true });
  const [first, second] = plugins.calls();
  expect(first?.environment).toEqual({
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'id',
    CNI_NETNS: '/run/netns/x',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web',
    CNI_PATH: plugins.binDir,
  });
  expect(first?.config).toEqual({ type: 'first', mtu: 1400, name: 'net', cniVersion: '1.0.0' });
  expect(second?.config).toMatchObject({
    runtimeConfig: { portMappings: [{ hostPort: 80 }] },
    prevResult: { cniVersion: '1.0.0', first: true },
  });
  expect(second?.config['runtimeConfig']).not.toHaveProperty('dns');
});

test('DEL goes backwards and knows the result of ADD', async () => {
  using plugins = twoPlugins();
  await detach(ownerOf(plugins), { ...attachment(), result: { kept: 1 } });
  expect(plugins.calls().map(({ plugin, command }) => [plugin, command])).toEqual([
    ['second', 'DEL'],
    ['first', 'DEL'],
  ]);
  expect(plugins.calls().map(({ config }) => config['prevResult'])).toEqual([{ kept: 1 }, { kept: 1 }]);
});

test('CHECK is left out where the version has none or the configuration says so', async () => {
  using plugins = twoPlugins();
  const result = { kept: 1 };
  await check(ownerOf(plugins), { ...attachment({ cniVersion: '0.3.1' }), result });
  await check(ownerOf(plugins), { ...attachment({ disableCheck: true }), result });
  expect(plugins.calls()).toEqual([]);
  await check(ownerOf(plugins), { ...attachment(), result });
  expect(plugins.calls().map(({ command }) => command)).toEqual(['CHECK', 'CHECK']);
});

test("a plugin's error is told in libcni's words, and ends the chain", async () => {
  using plugins = twoPlugins();
  plugins.add(
    'first',
    `console.log(JSON.stringify({ code: 11, msg: 'no address', details: 'range is full' })); process.exit(1)`,
  );
  await expect(attach(ownerOf(plugins), attachment())).rejects.toThrow(
    'plugin type="first" failed (add): no address; range is full',
  );
  expect(plugins.calls().map(({ plugin }) => plugin)).toEqual(['first']);
});

test.each([
  ['only writes to stderr', `console.error('panic: x'); process.exit(2)`, 'netplugin failed: "panic: x"'],
  ['says nothing', 'process.exit(3)', 'netplugin failed with no error message: exit status 3'],
  ['is killed', `process.kill(process.pid, 'SIGKILL')`, 'netplugin failed with no error message: signal: SIGKILL'],
  [
    'answers nonsense',
    `console.log('hm'); process.exit(1)`,
    'netplugin failed but error parsing its diagnostic message "hm"',
  ],
])('a plugin that %s is told of', async (_, body, message) => {
  using plugins = new TestPlugins();
  plugins.add('first', body);
  await expect(attach(ownerOf(plugins), attachment())).rejects.toThrow(`plugin type="first" failed (add): ${message}`);
});

test('a plugin that is not there is named with the folder', async () => {
  using plugins = new TestPlugins();
  await expect(attach(ownerOf(plugins), attachment())).rejects.toThrow(
    `plugin type="first" failed (add): failed to find plugin "first" in path [${plugins.binDir}]`,
  );
});

test('a plugin that hangs is ended with all that it has started', async () => {
  using plugins = new TestPlugins();
  plugins.add('hangs', `require('node:child_process').spawnSync('sleep', ['1000'], { stdio: 'inherit' })`);
  const { binDir } = plugins;
  const call = { command: 'ADD', type: 'hangs', config: {}, environment: {}, binDir, timeoutMs: 500 } as const;
  await expect(runPlugin(call)).rejects.toMatchObject({
    code: 'DeadlineExceeded',
    message: 'the plugin did not end within 0.5 s',
  });
});

test('a plugin that floods its output is ended', async () => {
  using plugins = new TestPlugins();
  plugins.add('floods', `for (;;) require('node:fs').writeSync(1, 'x'.repeat(65536))`);
  const call = { command: 'ADD', type: 'floods', config: {}, environment: {}, binDir: plugins.binDir } as const;
  await expect(runPlugin(call)).rejects.toThrow('netplugin failed');
});
