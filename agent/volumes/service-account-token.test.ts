import { describe, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../../base/log.ts';
import type { KubeObject, TokenRequest } from '../kube/types.ts';
import { examplePod } from './fixtures.ts';
import { createTokenManager } from './service-account-token.ts';

const START = Date.parse('2026-03-01T00:00:00Z');
const signal = new AbortController().signal;

function setUp(options: { lifeSeconds?: number; logger?: Logger } = {}) {
  const state = { now: START, failure: undefined as Error | undefined };
  const requests: { path: string; body: TokenRequest }[] = [];
  const client = {
    create: <T extends KubeObject, R extends KubeObject = T>(path: string, body: T): Promise<R> => {
      if (state.failure) return Promise.reject(state.failure);
      const request = body as TokenRequest;
      requests.push({ path, body: request });
      const seconds = options.lifeSeconds ?? request.spec?.expirationSeconds ?? 0;
      const answer: TokenRequest = {
        spec: { ...request.spec, audiences: request.spec?.audiences ?? [], expirationSeconds: seconds },
        status: {
          token: `token-${requests.length}`,
          expirationTimestamp: new Date(state.now + seconds * 1000).toISOString(),
        },
      };
      return Promise.resolve(answer as unknown as R);
    },
  };
  const manager = createTokenManager(client, options.logger ?? silentLogger, () => state.now);
  const token = (audience = '', expirationSeconds: number | undefined = 3607) =>
    manager.token(examplePod(), { audience, expirationSeconds }, signal);
  return { state, requests, manager, token };
}

describe('the token manager', () => {
  test('asks for a token that is bound to the pod', async () => {
    const { requests, token } = setUp();
    expect(await token('vault', 600)).toBe('token-1');
    expect(requests).toEqual([
      {
        path: '/api/v1/namespaces/ns/serviceaccounts/default/token',
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: ['vault'],
            expirationSeconds: 600,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'pod', uid: 'uid-1' },
          },
        },
      },
    ]);
  });

  test('keeps a token until 80 % of its life has gone', async () => {
    const { state, token } = setUp();
    await token('', 1000);
    state.now = START + 789_000;
    expect(await token('', 1000)).toBe('token-1');
    state.now = START + 800_001;
    expect(await token('', 1000)).toBe('token-2');
  });

  test('renews a long-lived token after a day', async () => {
    const { state, token } = setUp();
    await token('', 7 * 86_400);
    state.now = START + 86_400_000 - 11_000;
    expect(await token('', 7 * 86_400)).toBe('token-1');
    state.now = START + 86_400_001;
    expect(await token('', 7 * 86_400)).toBe('token-2');
  });

  test('reckons with the life that the server granted', async () => {
    const { state, token } = setUp({ lifeSeconds: 7200 });
    await token('', 600);
    state.now = START + 700_000;
    expect(await token('', 600)).toBe('token-1');
  });

  test('keeps tokens of different audiences apart', async () => {
    const { token } = setUp();
    expect([await token('a'), await token('b'), await token('a')]).toEqual(['token-1', 'token-2', 'token-1']);
  });

  test('goes on with the old token while it holds, and says so', async () => {
    const lines: string[] = [];
    const { state, token } = setUp({ logger: { ...silentLogger, error: (message) => void lines.push(message) } });
    await token('', 1000);
    state.failure = new Error('refused');
    state.now = START + 900_000;
    expect(await token('', 1000)).toBe('token-1');
    expect(lines).toEqual(["couldn't update token"]);
    state.now = START + 1_000_000;
    await expect(token('', 1000)).rejects.toThrow(/^token \[.*\] expired and refresh failed: refused$/);
  });

  test("fails in the kubelet's words when there is no token yet", async () => {
    const { state, token } = setUp();
    state.failure = new Error('serviceaccounts "default" not found');
    await expect(token()).rejects.toMatchObject({
      code: 'Unavailable',
      message: 'failed to fetch token: serviceaccounts "default" not found',
    });
  });

  test('forgets the tokens of a pod that is gone', async () => {
    const { manager, token } = setUp();
    await token();
    manager.forget('another');
    expect(await token()).toBe('token-1');
    manager.forget('uid-1');
    expect(await token()).toBe('token-2');
  });
});
