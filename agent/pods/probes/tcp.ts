import { connect } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import { dialError, joinHostPort } from '../go-words.ts';
import { failure, success, type ProbeOutcome } from './outcome.ts';

/** Probes by whether a connection can be made (pkg/probe/tcp). */
export function checkTcp(host: string, port: number, signal: AbortSignal): Promise<ProbeOutcome> {
  const address = joinHostPort(host, port);
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve(success());
    });
    socket.once('error', (error) => {
      socket.destroy();
      const why = signal.aborted ? `dial tcp ${address}: i/o timeout` : dialError(error, address);
      resolve(failure(why ?? messageOf(error)));
    });
  });
}
