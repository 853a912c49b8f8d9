import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig, type ConfigSources } from './load.ts';
import { environmentName, flagName } from './names.ts';
import { configOptions } from './options.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmlet-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

const load = (sources: Partial<ConfigSources>) => loadConfig({ flags: {}, env: {}, ...sources });

function problemsOf(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    expect(error).toMatchObject({ code: 'InvalidConfig' });
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
}

describe('where a value comes from', () => {
  test('a flag stands before the environment, the environment before the file, the file before the default', () => {
    const path = file('nodeName: from-file\nmaxPods: 7\nlogLevel: debug\n');
    const config = load({
      file: path,
      env: { WASMLET_NODE_NAME: 'from-env', WASMLET_MAX_PODS: '8' },
      flags: { 'node-name': 'from-flag' },
    });
    expect(config).toMatchObject({ nodeName: 'from-flag', maxPods: 8, logLevel: 'debug', port: 10250 });
  });

  test('a file may be JSON, and WASMLET_CONFIG may name it', () => {
    const path = file('{"nodeIP": ["127.0.0.1"], "port": 0}');
    expect(load({ env: { WASMLET_CONFIG: path } })).toMatchObject({ nodeIP: ['127.0.0.1'], port: 0 });
  });

  test('every kind of option can be given as text', () => {
    const config = load({
      flags: {
        'node-labels': 'example.com/rack=r1,zone=b',
        'register-with-taints': 'kubernetes.io/arch=wasm:NoSchedule,gone:NoExecute',
        'insecure-registries': 'a:5000, b:5000',
        'register-node': 'false',
        'kube-api-qps': '12.5',
        'eviction-hard': 'memory.available=1Gi',
        'runtime-handlers': '{"wasm":{"engine":"interpreter"}}',
      },
    });
    expect(config).toMatchObject({
      nodeLabels: { 'example.com/rack': 'r1', zone: 'b' },
      registerWithTaints: [
        { key: 'kubernetes.io/arch', value: 'wasm', effect: 'NoSchedule' },
        { key: 'gone', value: '', effect: 'NoExecute' },
      ],
      insecureRegistries: ['a:5000', 'b:5000'],
      registerNode: false,
      kubeAPIQPS: 12.5,
      evictionHard: { 'memory.available': '1Gi', 'nodefs.available': '10%' },
      runtimeHandlers: { wasm: { engine: 'interpreter', isolation: 'process' } },
    });
  });

  test('the result is frozen all the way down', () => {
    const config = load({});
    expect(Object.isFrozen(config.runtimeHandlers['wasm'])).toBe(true);
    expect(() => Object.assign(config.nodeLabels, { a: 'b' })).toThrow(TypeError);
  });
});

describe('what is refused', () => {
  test('all problems are told at once, each with its option, source and what is expected', () => {
    const path = file('nodeName: Upper\n\nsyncFrequency: fast\nnodeNme: x\n');
    const message = problemsOf({
      file: path,
      env: { WASMLET_MAX_PODS: 'many', WASMLET_MAXPODS: '4' },
      flags: { 'log-level': 'loud', porrt: '1' },
    });
    expect(message.split('\n').slice(1)).toEqual([
      `  nodeNme (${path}:4): there is no such option; did you mean nodeName?`,
      '  WASMLET_MAXPODS (environment): there is no such option; did you mean WASMLET_MAX_PODS?',
      '  --porrt: there is no such option; did you mean port?',
      `  nodeName (${path}:1): expected a DNS subdomain in lower case`,
      '  maxPods (environment WASMLET_MAX_PODS): expected number, received string',
      `  syncFrequency (${path}:3): expected a duration, for example 300ms, 10s, 5m`,
      '  logLevel (flag --log-level): expected one of "error"|"warn"|"info"|"debug"',
    ]);
  });

  test('what a file should hold is said as a file has it', () => {
    const problems = problemsOf({ file: file('nodeLabels: x\nnodeIP: y\n') });
    expect(problems).toMatch(/nodeLabels \(.*config\.yaml:1\): expected a mapping of keys to values/);
    expect(problems).toMatch(/nodeIP \(.*config\.yaml:2\): expected a list/);
  });

  test('an unknown key inside an option is named', () => {
    expect(problemsOf({ flags: { capacity: 'gpu=1' } })).toContain('capacity (flag --capacity): unknown: gpu');
  });

  test('variables of tests and of the tool cache are no options', () => {
    expect(load({ env: { WASMLET_CACHE: '/c', WASMLET_TEST_KUBECONFIG: '/k' } }).port).toBe(10250);
  });

  test('labels that NodeRestriction forbids are named before the API server sees them', () => {
    const message = problemsOf({
      flags: { 'node-labels': 'kubernetes.io/foo=1,node-restriction.kubernetes.io/x=2,node.kubernetes.io/ok=3' },
    });
    expect(message).toContain('kubernetes.io/foo: a node may not set this label on itself');
    expect(message).toContain('node-restriction.kubernetes.io/x: a node may not');
    expect(message).not.toContain('node.kubernetes.io/ok');
  });

  test('a default handler that is not configured and half a TLS pair are refused', () => {
    const message = problemsOf({ flags: { 'default-runtime-handler': 'runc', 'tls-cert-file': '/c' } });
    expect(message).toContain('defaultRuntimeHandler (flag --default-runtime-handler): expected one of the');
    expect(message).toContain('tlsCertFile and tlsPrivateKeyFile go together');
  });

  test('ids of a host are as many as the kubelet would take, and refused in its words', () => {
    expect(load({}).userNamespaces).toEqual({ idsPerPod: 65536 });
    expect(load({ flags: { 'user-namespaces': 'idsPerPod=131072' } }).userNamespaces).toEqual({ idsPerPod: 131072 });
    const refusal = (text: string) => problemsOf({ file: file(`userNamespaces: ${text}\n`) });
    expect(refusal('{idsPerPod: 1}')).toMatch(/userNamespaces\.idsPerPod \(.*:1\): must not be less than 65536$/);
    expect(refusal('{idsPerPod: 65537}')).toMatch(/: must be a multiple of 65536$/);
    expect(refusal('{idsPerPod: 4294967296}')).toMatch(/: must not be more than 4294967295$/);
    expect(refusal('{idsPerPod: many}')).toMatch(/userNamespaces\.idsPerPod/);
    expect(refusal('{ids: 65536}')).toContain('unknown: ids');
  });

  test('a file that is not YAML is refused with the place of the fault', () => {
    expect(problemsOf({ file: file('a: [1\nb: 2\n') })).toMatch(/config\.yaml: .*line 2/s);
  });
});

describe('names of options', () => {
  test.each([
    ['kubeAPIQPS', 'kube-api-qps', 'WASMLET_KUBE_API_QPS'],
    ['nodeIP', 'node-ip', 'WASMLET_NODE_IP'],
    ['clientCAFile', 'client-ca-file', 'WASMLET_CLIENT_CA_FILE'],
    ['providerID', 'provider-id', 'WASMLET_PROVIDER_ID'],
    ['maxPods', 'max-pods', 'WASMLET_MAX_PODS'],
  ])('%s is --%s and %s', (key, flag, variable) => {
    expect([flagName(key), environmentName(key)]).toEqual([flag, variable]);
  });

  test('every option has a flag of its own and a description', () => {
    const options = configOptions();
    expect(new Set(options.map(({ flag }) => flag)).size).toBe(options.length);
    expect(options.filter(({ description }) => description === '')).toEqual([]);
  });
});
