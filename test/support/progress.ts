/** Where a line on the progress goes. */
export type Report = (line: string) => void;

/**
 * Does what is done once and takes its time, and tells of it before and after.
 * @param doing 'building etcd from source'
 * @param about how long it takes: '5 min'
 */
export async function timed(
  doing: string,
  about: string,
  work: () => Promise<void>,
  report: Report = toStderr,
): Promise<void> {
  report(`${doing}, once: about ${about}`);
  const start = performance.now();
  await work();
  report(`${doing} took ${Math.round((performance.now() - start) / 1000)} s`);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
