import { describe, expect, test } from 'vitest';
import { Unconfined } from './confinement.ts';
import { selectConfinement } from './select.ts';

const CODE = '/host.cjs';
const full = new Unconfined(CODE, []);
const partly = new Unconfined(CODE, ['without a', 'without b']);

describe('a confinement that is', () => {
  test('required starts no host where something is missing, and says what', () => {
    const refused = selectConfinement('required', partly, CODE);
    expect(refused.refusal).toBe('confinement is required in the configuration of the node: without a; without b');
    expect(refused.missing).toEqual(partly.missing);
    expect(() => refused.launch([], 5)).toThrow(
      'no host can be started, as confinement is required in the configuration of the node: without a; without b',
    );
    expect(selectConfinement('required', full, CODE)).toBe(full);
  });

  test('preferred is as far as the machine allows', () => {
    expect(selectConfinement('preferred', partly, CODE)).toBe(partly);
  });

  test('none is none, and says that it is so by choice', () => {
    const none = selectConfinement('none', full, CODE);
    using launched = none.launch(['--flag'], 5);
    expect(launched.command).toEqual([process.execPath, ['--flag', CODE]]);
    expect(none.missing).toEqual(['hosts are not confined: confinement is none in the configuration of the node']);
  });
});
