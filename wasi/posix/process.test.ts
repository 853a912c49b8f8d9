import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_DESCRIPTORS } from '../core/descriptor-table.ts';
import { PIPE_CAPACITY } from '../core/pipe.ts';
import { INHERITED_RIGHTS, RIGHT } from '../preview1/abi.ts';
import { Sandbox, TestGuest } from '../preview1/test-guest.ts';
import { WasiExit, type SignalSource } from '../wasi.ts';

const OUT = 512;
const OUT2 = 520;
const BUFFER = 16_384;
const TERM = 15;
const USR1 = 10;
const HUP = 1;
const setOf = (...signals: number[]): bigint => signals.reduce((set, signal) => set | (1n << BigInt(signal)), 0n);

/** Signals that a test sends by hand. */
class TestSignals implements SignalSource {
  readonly listeners = new Map<number, () => void>();

  listen(signal: number, deliver: () => void): Disposable {
    this.listeners.set(signal, deliver);
    return { [Symbol.dispose]: () => void this.listeners.delete(signal) };
  }

  send(signal: number): void {
    const deliver = this.listeners.get(signal);
    if (deliver === undefined) throw new Error(`signal ${signal} would end the guest`);
    deliver();
  }
}

let sandbox: Sandbox;
let signals: TestSignals;
let guest: TestGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  signals = new TestSignals();
  const root = sandbox.folder('root');
  mkdirSync(`${root}/dir`);
  guest = new TestGuest({ root, signals, hostname: 'web-0', identity: { uid: 1000, gid: 3000, groups: [3000, 2000] } });
});

afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

describe('identity', () => {
  test('is the container’s', () => {
    expect(guest.call('ids_get', OUT)).toBe('ok');
    expect([0, 4, 8, 12].map((at) => guest.u32(OUT + at))).toEqual([1000, 1000, 3000, 3000]);
    expect(guest.call('groups_get', 0, 0, OUT)).toBe('ok');
    expect(guest.u32()).toBe(2);
    expect(guest.call('groups_get', BUFFER, 1, OUT)).toBe('EINVAL');
    expect(guest.call('groups_get', BUFFER, 2, OUT)).toBe('ok');
    expect([guest.u32(BUFFER), guest.u32(BUFFER + 4)]).toEqual([3000, 2000]);
  });

  test('is root without a word of it', () => {
    using root = new TestGuest({ root: sandbox.folder('root') });
    expect(root.call('ids_get', OUT)).toBe('ok');
    expect(root.u64(OUT)).toBe(0n);
    expect(root.call('hostname_get', BUFFER, 10, OUT)).toBe('ok');
    expect(root.u32()).toBe(0);
  });

  test('has a host name', () => {
    expect(guest.call('hostname_get', BUFFER, 5, OUT)).toBe('ok');
    expect(guest.text(guest.u32())).toBe('web-0');
    expect(guest.call('hostname_get', BUFFER, 4, OUT2)).toBe('ENAMETOOLONG');
    expect(guest.u32(OUT2)).toBe(5);
  });

  test('is process 1, without a parent', () => {
    expect(guest.call('proc_id', OUT)).toBe('ok');
    expect(guest.u32()).toBe(1);
    expect(guest.call('proc_parent', 1, OUT)).toBe('ok');
    expect(guest.u32()).toBe(0);
    expect(guest.call('proc_parent', 2, OUT)).toBe('ESRCH');
  });
});

function pipe(): [reader: number, writer: number] {
  expect(guest.call('fd_pipe', OUT, OUT2)).toBe('ok');
  return [guest.u32(OUT), guest.u32(OUT2)];
}

/** Subscriptions to reading and writing descriptors, as poll_oneoff takes them. */
function subscribe(...wanted: { type: number; fd?: number; timeoutNs?: bigint }[]): [number, number, number, number] {
  const at = 2048;
  for (const [index, { type, fd = 0, timeoutNs = 0n }] of wanted.entries()) {
    const start = at + index * 48;
    guest.bytes.fill(0, start, start + 48);
    guest.memory.setBigUint64(start, BigInt(index), true);
    guest.bytes[start + 8] = type;
    guest.memory.setUint32(start + 16, type === 0 ? 1 : fd, true);
    if (type === 0) guest.memory.setBigUint64(start + 24, timeoutNs, true);
  }
  return [at, 4096, wanted.length, OUT];
}

describe('a pipe', () => {
  test('hands on bytes in order, and its end', () => {
    const [reader, writer] = pipe();
    expect(guest.write(writer, 'hello ')).toBe('ok');
    expect(guest.write(writer, 'world')).toBe('ok');
    expect(guest.read(reader, 8)).toBe('hello wo');
    expect(guest.read(reader)).toBe('rld');
    expect(guest.call('fd_close', writer)).toBe('ok');
    expect(guest.read(reader)).toBe('');
  });

  test('keeps its bytes across its ring, whatever the sizes', () => {
    const [reader, writer] = pipe();
    let sent = '';
    let received = '';
    for (let step = 1; step < 400; step++) {
      const text = String.fromCharCode(97 + (step % 26)).repeat((step * 37) % 1500);
      if (guest.write(writer, text) === 'ok') sent += text.slice(0, guest.u32());
      received += guest.read(reader, (step * 53) % 1400).replace('EAGAIN', '');
    }
    guest.call('fd_close', writer);
    for (let part = guest.read(reader); part !== ''; part = guest.read(reader)) received += part;
    expect(received).toBe(sent);
    expect(sent.length).toBeGreaterThan(100_000);
  });

  test('lets a read wait for a write', async () => {
    const [reader, writer] = pipe();
    const reading = guest.wait('fd_read', reader, ...guest.iovec(BUFFER + 100, 10), OUT);
    await new Promise(setImmediate);
    expect(guest.write(writer, 'late')).toBe('ok');
    guest.iovec(BUFFER + 100, 10);
    expect(await reading).toBe('ok');
    expect(guest.text(4, BUFFER + 100)).toBe('late');
  });

  test('lets a read wait for the end', async () => {
    const [reader, writer] = pipe();
    const reading = guest.wait('fd_read', reader, ...guest.iovec(BUFFER, 10), OUT);
    guest.call('fd_close', writer);
    expect(await reading).toBe('ok');
    expect(guest.u32()).toBe(0);
  });

  test('fails without waiting where nobody could ever go on', () => {
    const [reader, writer] = pipe();
    expect(guest.call('fd_fdstat_set_flags', reader, 4)).toBe('ok');
    expect(guest.call('fd_read', reader, ...guest.iovec(BUFFER, 10), OUT)).toBe('EAGAIN');
    for (let filled = 0; filled < PIPE_CAPACITY; filled += guest.u32()) {
      expect(guest.call('fd_write', writer, ...guest.iovec(BUFFER, 30_000), OUT)).toBe('ok');
    }
    expect(guest.write(writer, 'x')).toBe('EAGAIN');
    guest.call('fd_close', reader);
    expect(guest.write(writer, 'x')).toBe('EPIPE');
  });

  test('takes a small write whole or not at all', () => {
    const [reader, writer] = pipe();
    expect(guest.call('fd_write', writer, ...guest.iovec(BUFFER, 40_000), OUT)).toBe('ok');
    expect(guest.call('fd_write', writer, ...guest.iovec(BUFFER, PIPE_CAPACITY - 40_000 - 100), OUT)).toBe('ok');
    expect(guest.write(writer, 'x'.repeat(200))).toBe('EAGAIN');
    expect(guest.write(writer, 'x'.repeat(100))).toBe('ok');
    expect(guest.read(reader, 1).length).toBe(1);
  });

  test('can be polled at both ends', async () => {
    const [reader, writer] = pipe();
    expect(guest.call('poll_oneoff', ...subscribe({ type: 2, fd: writer }))).toBe('ok');
    const polling = guest.wait('poll_oneoff', ...subscribe({ type: 1, fd: reader }));
    await new Promise(setImmediate);
    guest.bytes.set(Buffer.from('abc'), BUFFER);
    expect(guest.call('fd_write', writer, ...guest.iovec(BUFFER, 3), OUT2)).toBe('ok');
    expect(await polling).toBe('ok');
    expect(guest.u32()).toBe(1);
    expect(guest.u64(4096 + 16)).toBe(3n);
    guest.call('fd_write', writer, ...guest.iovec(BUFFER, 40_000), OUT2);
    guest.call('fd_write', writer, ...guest.iovec(BUFFER, 40_000), OUT2);
    const full = guest.wait('poll_oneoff', ...subscribe({ type: 2, fd: writer }, { type: 0, timeoutNs: 1_000_000n }));
    expect(await full).toBe('ok');
    expect([guest.u32(), guest.u64(4096)]).toEqual([1, 1n]);
  });

  test('can neither be read at the wrong end nor sought nor listed', () => {
    const [reader, writer] = pipe();
    expect(guest.write(reader, 'x')).toBe('EBADF');
    expect(guest.read(writer)).toBe('EBADF');
    expect(guest.call('fd_seek', reader, 0n, 0, OUT)).toBe('ESPIPE');
    expect(guest.call('fd_stat', reader, OUT)).toBe('ok');
    expect(guest.u32(OUT + 72)).toBe(0o010600);
  });

  test('is not made where one of its ends has no number', () => {
    const [first] = pipe();
    for (let fd = first; fd < MAX_DESCRIPTORS - 3; fd++) guest.call('fd_dup', 3, OUT);
    expect(guest.call('fd_pipe', OUT, OUT2)).toBe('EMFILE');
    expect(guest.call('fd_dup', 3, OUT)).toBe('ok');
    expect(guest.call('fd_dup', 3, OUT)).toBe('EMFILE');
  });
});

describe('a duplicate', () => {
  test('shares position and stays when the other is closed', () => {
    expect(guest.create('file', 'abcdef')).toBe('ok');
    const fd = guest.mustOpen('file', { rights: INHERITED_RIGHTS });
    expect(guest.call('fd_dup', fd, OUT)).toBe('ok');
    const copy = guest.u32();
    expect(copy).not.toBe(fd);
    expect(guest.read(fd, 2)).toBe('ab');
    expect(guest.read(copy, 2)).toBe('cd');
    expect(guest.call('fd_close', fd)).toBe('ok');
    expect(guest.read(copy, 2)).toBe('ef');
    expect(guest.call('fd_close', copy)).toBe('ok');
    expect(guest.read(copy)).toBe('EBADF');
  });

  test('keeps a pipe open until the last of an end is closed', () => {
    const [reader, writer] = pipe();
    expect(guest.call('fd_dup2', writer, 40)).toBe('ok');
    guest.call('fd_close', writer);
    expect(guest.write(40, 'x')).toBe('ok');
    guest.call('fd_close', 40);
    expect(guest.read(reader)).toBe('x');
    expect(guest.read(reader)).toBe('');
  });

  test('takes the place of what was there, as a shell redirects', () => {
    const [reader, writer] = pipe();
    expect(guest.call('fd_dup', 1, OUT)).toBe('ok');
    const saved = guest.u32();
    expect(guest.call('fd_dup2', writer, 1)).toBe('ok');
    expect(guest.write(1, 'into the pipe')).toBe('ok');
    expect(guest.call('fd_dup2', saved, 1)).toBe('ok');
    expect(guest.write(1, 'out')).toBe('ok');
    expect(guest.read(reader)).toBe('into the pipe');
    expect(guest.written).toEqual(['out']);
    expect(guest.call('fd_dup2', 1, 1)).toBe('ok');
    expect(guest.call('fd_dup2', 1, MAX_DESCRIPTORS)).toBe('EBADF');
    expect(guest.call('fd_dup2', 99, 1)).toBe('EBADF');
  });
});

describe('signals', () => {
  const subscribeTo = (...wanted: number[]): string => guest.call('signal_subscribe', setOf(...wanted), OUT);
  const take = (): number => {
    expect(guest.call('signal_take', OUT)).toBe('ok');
    return guest.u32();
  };

  test('wait to be taken, one of each, lowest first', () => {
    expect(subscribeTo(TERM, USR1)).toBe('ok');
    expect(guest.u64()).toBe(0n);
    expect(take()).toBe(0);
    signals.send(TERM);
    signals.send(USR1);
    signals.send(TERM);
    expect([take(), take(), take()]).toEqual([USR1, TERM, 0]);
    expect(subscribeTo(HUP)).toBe('ok');
    expect(guest.u64()).toBe(setOf(TERM, USR1));
    expect([...signals.listeners.keys()]).toEqual([HUP]);
    expect(() => signals.send(TERM)).toThrow('would end the guest');
  });

  test('interrupt a wait for the clock', async () => {
    subscribeTo(TERM);
    const polling = guest.wait('poll_oneoff', ...subscribe({ type: 0, timeoutNs: 3_600_000_000_000n }));
    await new Promise(setImmediate);
    signals.send(TERM);
    expect(await polling).toBe('EINTR');
    expect(take()).toBe(TERM);
  });

  test('interrupt a read of a pipe that nobody writes to', async () => {
    subscribeTo(TERM);
    const [reader] = pipe();
    const reading = guest.wait('fd_read', reader, ...guest.iovec(BUFFER, 10), OUT);
    await new Promise(setImmediate);
    signals.send(TERM);
    expect(await reading).toBe('EINTR');
    expect(take()).toBe(TERM);
  });

  test('that came before a wait interrupt it once', async () => {
    subscribeTo(TERM);
    signals.send(TERM);
    const hour = subscribe({ type: 0, timeoutNs: 3_600_000_000_000n });
    expect(await guest.wait('poll_oneoff', ...hour)).toBe('EINTR');
    expect(await guest.wait('poll_oneoff', ...subscribe({ type: 0, timeoutNs: 1_000_000n }))).toBe('ok');
    expect(take()).toBe(TERM);
  });

  test('do not interrupt what need not wait', () => {
    subscribeTo(TERM);
    signals.send(TERM);
    expect(guest.call('poll_oneoff', ...subscribe({ type: 2, fd: 1 }))).toBe('ok');
  });

  test('can be read from a descriptor', async () => {
    subscribeTo(TERM);
    expect(guest.call('signal_fd', OUT)).toBe('ok');
    const fd = guest.u32();
    const polling = guest.wait('poll_oneoff', ...subscribe({ type: 1, fd }));
    await new Promise(setImmediate);
    signals.send(TERM);
    expect(await polling).toBe('ok');
    expect(guest.call('fd_read', fd, ...guest.iovec(BUFFER, 3), OUT)).toBe('EINVAL');
    expect(guest.call('fd_read', fd, ...guest.iovec(BUFFER, 4), OUT)).toBe('ok');
    expect(guest.u32(BUFFER)).toBe(TERM);
    guest.call('fd_fdstat_set_flags', fd, 4);
    expect(guest.call('fd_read', fd, ...guest.iovec(BUFFER, 4), OUT)).toBe('EAGAIN');
  });

  test('that a guest sends to itself follow its subscription', () => {
    expect(() => guest.call('proc_signal', 1, TERM)).toThrow(new WasiExit(143));
    subscribeTo(TERM, USR1);
    expect(guest.call('proc_signal', 1, TERM)).toBe('ok');
    expect(guest.call('proc_raise', USR1)).toBe('ok');
    expect([take(), take()]).toEqual([USR1, TERM]);
    expect(guest.call('proc_signal', 0, 0)).toBe('ok');
    expect(guest.call('proc_signal', 1, 31)).toBe('EINVAL');
    expect(guest.call('proc_signal', 2, TERM)).toBe('ESRCH');
    expect(() => guest.call('proc_signal', 1, 9)).toThrow(new WasiExit(137));
  });

  test('that cannot be taken are refused, and what was is kept', () => {
    subscribeTo(TERM);
    for (const signal of [0, 9, 11, 18, 31, 63]) expect(subscribeTo(signal)).toBe('EINVAL');
    expect(guest.call('signal_subscribe', setOf(TERM), 0)).toBe('ok');
    expect(guest.call('signal_subscribe', setOf(TERM), 65_535)).toBe('EFAULT');
    expect([...signals.listeners.keys()]).toEqual([TERM]);
  });

  test('are heard of by a guest that computes and asks', async () => {
    subscribeTo(TERM);
    setTimeout(() => signals.send(TERM), 5);
    for (let asked = 0; asked < 1e7; asked++) {
      await guest.wait('signal_take', OUT);
      if (guest.u32() === TERM) return;
    }
    throw new Error('the signal never came');
  });

  describe('from /dev/signal', () => {
    const open = (stopSignal?: number, fdflags = 0): number => {
      guest[Symbol.dispose]();
      const root = sandbox.folder('root');
      guest = new TestGuest({ root, signals, systemFiles: true, ...(stopSignal === undefined ? {} : { stopSignal }) });
      const fd = guest.open('dev/signal', { rights: RIGHT.FD_READ | RIGHT.POLL_FD_READWRITE, fdflags });
      if (typeof fd !== 'number') throw new Error(fd);
      return fd;
    };
    const read = (fd: number): Promise<string> => guest.wait('fd_read', fd, ...guest.iovec(BUFFER, 4), OUT);

    test('are SIGTERM, and wait as long as it is open', async () => {
      const fd = open();
      expect([...signals.listeners.keys()]).toEqual([TERM]);
      const reading = read(fd);
      signals.send(TERM);
      expect(await reading).toBe('ok');
      expect(guest.u32(BUFFER)).toBe(TERM);
      expect(guest.call('fd_close', fd)).toBe('ok');
      expect([...signals.listeners.keys()]).toEqual([]);
    });

    test('are the one that stops this container', () => {
      open(USR1);
      expect([...signals.listeners.keys()]).toEqual([USR1]);
    });

    test('are polled for, and interrupt what waits beside it', async () => {
      const fd = open();
      const polling = guest.wait(
        'poll_oneoff',
        ...subscribe({ type: 1, fd }, { type: 0, timeoutNs: 3_600_000_000_000n }),
      );
      await new Promise(setImmediate);
      signals.send(TERM);
      expect(await polling).toBe('ok');
      expect([guest.u32(OUT), guest.bytes[4096 + 10]]).toEqual([1, 1]);
      expect(await guest.wait('poll_oneoff', ...subscribe({ type: 0, timeoutNs: 3_600_000_000_000n }))).toBe('EINTR');
      expect(await read(fd)).toBe('ok');
    });

    test('are found by a guest that computes and looks without waiting', async () => {
      const fd = open(TERM, 4);
      expect(await read(fd)).toBe('EAGAIN');
      setTimeout(() => signals.send(TERM), 5);
      let result = 'EAGAIN';
      for (let asked = 0; asked < 1e7 && result === 'EAGAIN'; asked++) result = await read(fd);
      expect(result).toBe('ok');
    });

    test('wait as long as any of its descriptors is open, and beside what was subscribed to', () => {
      const fd = open();
      expect(guest.call('fd_dup', fd, OUT)).toBe('ok');
      const copy = guest.u32();
      subscribeTo(HUP);
      guest.call('fd_close', fd);
      expect([...signals.listeners.keys()].toSorted((a, b) => a - b)).toEqual([HUP, TERM]);
      guest.call('fd_close', copy);
      expect([...signals.listeners.keys()]).toEqual([HUP]);
    });

    test('are only read', () => {
      open();
      expect(guest.open('dev/signal', { rights: RIGHT.FD_READ | RIGHT.FD_WRITE })).toBe('EACCES');
    });
  });

  test('leave nothing behind with what waits for them again and again', async () => {
    subscribeTo(TERM);
    const { signals: waiting } = guest.wasi.state;
    const arrival = waiting.arrival();
    for (let round = 0; round < 5; round++) {
      expect(await guest.wait('poll_oneoff', ...subscribe({ type: 0, timeoutNs: 1n }))).toBe('ok');
    }
    expect(waiting.arrival()).toBe(arrival);
  });

  test('are left alone once the guest is gone', () => {
    subscribeTo(TERM, HUP);
    guest[Symbol.dispose]();
    expect(signals.listeners.size).toBe(0);
    guest = new TestGuest({ root: sandbox.folder('root') });
  });
});
