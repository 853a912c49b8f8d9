import { expect, test } from 'vitest';
import { loadNetworkConfig, parseNetworkConfig } from './network-config.ts';
import { TestPlugins } from './test-plugins.ts';

const list = (name: string) => ({ cniVersion: '1.0.0', name, plugins: [{ type: 'bridge' }] });

test('the first valid file by name counts, and files of other kinds do not', async () => {
  using plugins = new TestPlugins();
  plugins.configure('00-readme.txt', list('text'));
  plugins.configure('05-broken.conflist', '{');
  plugins.configure('20-late.conflist', list('late'));
  plugins.configure('10-early.conflist', list('early'));
  expect((await loadNetworkConfig(plugins.confDir)).name).toBe('early');
});

test('a folder that is empty or absent has no network config, and one with a broken file alone says what is wrong', async () => {
  using plugins = new TestPlugins();
  const none = { code: 'NotFound', message: `no network config found in ${plugins.confDir}` };
  await expect(loadNetworkConfig(plugins.confDir)).rejects.toMatchObject(none);
  await expect(loadNetworkConfig('/nonexistent/net.d')).rejects.toMatchObject({ code: 'NotFound' });
  plugins.configure('10.conflist', { ...list('x'), plugins: [] });
  const why = /error parsing configuration list .*10\.conflist: [^]*plugins/;
  await expect(loadNetworkConfig(plugins.confDir)).rejects.toMatchObject({ code: 'InvalidConfig', message: why });
});

test("a single plugin's file is a list of one", () => {
  const text = JSON.stringify({ cniVersion: '0.3.1', name: 'old', type: 'ptp', ipam: { type: 'host-local' } });
  expect(parseNetworkConfig(text, 'old.conf')).toEqual({
    cniVersion: '0.3.1',
    name: 'old',
    disableCheck: false,
    plugins: [{ name: 'old', type: 'ptp', ipam: { type: 'host-local' } }],
  });
});

test('of several versions the newest that is spoken here is taken', () => {
  const text = JSON.stringify({ ...list('new'), cniVersions: ['1.0.0', '1.1.0', '9.0.0'] });
  expect(parseNetworkConfig(text, 'new.conflist').cniVersion).toBe('1.1.0');
});

test.each([
  ['a version of another time', { cniVersion: '9.0.0' }],
  ['a plugin outside the plugin folder', { plugins: [{ type: '../../bin/sh' }] }],
  ['no name', { name: '' }],
])('%s is refused', (_, change) => {
  expect(() => parseNetworkConfig(JSON.stringify({ ...list('x'), ...change }), 'x')).toThrow(/error parsing/);
});
