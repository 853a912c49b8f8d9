import { expect, test } from 'vitest';
import { Access } from './access.ts';

function access(now?: () => number) {
  const tokens: string[] = [];
  return { tokens, access: new Access((token) => tokens.push(token), now) };
}

test('a token opens one session, and the next token the next', () => {
  const { access: made, tokens } = access();
  const [first = ''] = tokens;
  const session = made.redeem(first) ?? '';
  expect(made.isSession(session)).toBe(true);
  expect(made.redeem(first)).toBeUndefined();
  expect(tokens).toHaveLength(2);
  const other = made.redeem(tokens[1] ?? '') ?? '';
  expect(other).not.toBe(session);
  expect([session, other].map((each) => made.isSession(each))).toEqual([true, true]);
});

test('nothing else is a token, or a session', () => {
  const { access: made, tokens } = access();
  for (const wrong of ['', 'x', `${tokens[0]}x`, (tokens[0] ?? '').slice(1)])
    expect(made.redeem(wrong)).toBeUndefined();
  expect(tokens).toHaveLength(1);
  for (const wrong of ['', tokens[0] ?? '']) expect(made.isSession(wrong)).toBe(false);
});

test('a session ends after half a day', () => {
  let now = 0;
  const { access: made, tokens } = access(() => now);
  const session = made.redeem(tokens[0] ?? '') ?? '';
  now = 11 * 3_600_000;
  expect(made.isSession(session)).toBe(true);
  now = 13 * 3_600_000;
  expect(made.isSession(session)).toBe(false);
});

test('a hundred browsers are remembered, the last ones', () => {
  const { access: made, tokens } = access();
  const sessions = Array.from({ length: 101 }, () => made.redeem(tokens.at(-1) ?? '') ?? '');
  expect(made.isSession(sessions[0] ?? '')).toBe(false);
  expect(sessions.slice(1).every((session) => made.isSession(session))).toBe(true);
});
