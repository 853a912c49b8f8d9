import { expect, test } from 'vitest';
import { KubeApiError } from './client.ts';
import { onceRelated } from './node-authorizer.ts';

const unrelated = new KubeApiError(
  403,
  'Forbidden',
  `secrets "a" is forbidden: no relationship found between node 'n' and this object`,
);

function answers(...outcomes: (Error | string)[]): { request: () => Promise<string>; asked: () => number } {
  let asked = 0;
  const request = (): Promise<string> => {
    const outcome = outcomes[Math.min(asked++, outcomes.length - 1)]!;
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
  };
  return { request, asked: () => asked };
}

const elsewhere = new KubeApiError(
  403,
  'Forbidden',
  'serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a different node',
);

test.for([
  ['an object that the Node authorizer', unrelated],
  ['a token of a pod that NodeRestriction', elsewhere],
] as const)('%s does not yet know as ours is asked for again', async ([, refusal]) => {
  const { request, asked } = answers(refusal, refusal, 'object');
  expect(await onceRelated(request)).toBe('object');
  expect(asked()).toBe(3);
});

test('one that is not ours is refused in the end', async () => {
  await expect(onceRelated(answers(unrelated).request)).rejects.toBe(unrelated);
});

test.for([
  new KubeApiError(403, 'Forbidden', 'secrets "a" is forbidden: by a policy'),
  new KubeApiError(404, 'NotFound', 'secrets "a" not found'),
])('any other refusal is final: $message', async (refusal) => {
  const { request, asked } = answers(refusal, 'object');
  await expect(onceRelated(request)).rejects.toBe(refusal);
  expect(asked()).toBe(1);
});

test('the wait ends with the signal', async () => {
  const ended = AbortSignal.abort();
  await expect(onceRelated(answers(unrelated, 'object').request, ended)).rejects.toBe(unrelated);
});
