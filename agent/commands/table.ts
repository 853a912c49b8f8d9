const GAP = 3;

/** Columns as crictl and kubectl print them: left-aligned, each as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + GAP);
  const line = (row: readonly string[]): string => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago something was, in crictl's words (docker/go-units, HumanDuration). */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.floor((now - Date.parse(time)) / 1000);
  return `${duration(seconds)} ago`;
}

function duration(seconds: number): string {
  const hours = Math.round(seconds / HOUR);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  if (seconds < 2 * MINUTE) return 'About a minute';
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  return longDuration(Math.floor(seconds / DAY));
}

function longDuration(days: number): string {
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
