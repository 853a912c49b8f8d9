/** Where a line on the progress goes. */
export type Report = (line: string) => void;

/** Tells of progress on a stream, each line after the seconds since this was called. */
export function reportTo(stream: NodeJS.WritableStream): Report {
  const begun = performance.now();
  return (line) => {
    stream.write(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s] ${line}\n`);
  };
}

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
