import { expect, test } from 'vitest';
import { machineCpu, networkStats } from './node-usage.ts';

test('what the machine has spent on guests, interrupts and for other machines is used, idle time is not', () => {
  const stat = 'cpu  100 10 50 9000 400 3 7 30 20 0\ncpu0 50 5 25 4500 200 1 3 15 10 0\nbtime 1\n';
  expect(machineCpu(stat)).toBe((100 + 10 + 50 + 3 + 7 + 30) * 1e7);
});

test("the machine's interfaces are told, not those of its pods, and eth0 stands for the node", () => {
  const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0
  eth0: 2000 20 1 0 0 0 0 0 3000 30 2 0 0 0 0 0
  eth1:4000 40 0 0 0 0 0 0 5000 50 0 0 0 0 0 0
veth123: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
`;
  const time = new Date(0);
  const eth0 = { name: 'eth0', rxBytes: 2000, rxErrors: 1, txBytes: 3000, txErrors: 2 };
  expect(networkStats(table, time)).toEqual({
    time,
    ...eth0,
    interfaces: [eth0, { name: 'eth1', rxBytes: 4000, rxErrors: 0, txBytes: 5000, txErrors: 0 }],
  });
});
