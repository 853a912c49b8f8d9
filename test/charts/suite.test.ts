/**
 * A part of the end-to-end suite whose agents are as the chart makes them. All of it:
 * `WASMLET_TEST_CHART=full npm run test:e2e -- test/e2e` (docs/development.md).
 */
import { expect, test } from 'vitest';
import { requestsOf } from '../support/audit-log.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { CHART_ACCOUNT } from './chart-agent.ts';

process.env['WASMLET_TEST_CHART'] = 'full';
await import('../e2e/identity.test.ts');
await import('../e2e/limits.test.ts');
await import('../e2e/signals.test.ts');

describeOnCluster('agents under the rights of the chart', () => {
  test('have used all of them, and asked for no other', async () => {
    const { auditLog } = useCluster();
    if (auditLog === undefined) return;
    const { allowed, refused } = await requestsOf(auditLog, CHART_ACCOUNT);
    expect([...allowed].toSorted()).toEqual(['create certificatesigningrequests', 'get certificatesigningrequests']);
    expect([...refused]).toEqual([]);
  });
});
