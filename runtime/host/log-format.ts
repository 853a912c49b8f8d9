import { TIMESTAMP_BYTES, TimestampWriter } from './timestamp.ts';

/**
 * The CRI log format (KEP-1753 and pkg/kubelet/kuberuntime/logs/logs.go): a time stamp, the stream, a tag (F: the line
 * is full, P: it goes on in the next entry of this stream) and the content.
 */

/** containerd's max_container_log_line_size: longer lines are split into entries of so many bytes. */
export const MAX_LINE_BYTES = 16 * 1024;

export type LogStream = 'stdout' | 'stderr';

/** '<timestamp> stdout F ' */
export const HEADER_BYTES = TIMESTAMP_BYTES + ' stdout F '.length;

/** Position of the tag in a header. */
export const TAG_INDEX = HEADER_BYTES - 2;

export const FULL = 0x46;
export const PARTIAL = 0x50;

/** The head of a stream's entries; its time and tag are written over for each. */
export function makeHeader(stream: LogStream): Uint8Array {
  return Buffer.from(`${' '.repeat(TIMESTAMP_BYTES)} ${stream} F `, 'latin1');
}

/** One whole entry. */
export function formatEntry(stream: LogStream, tag: 'F' | 'P', content: Uint8Array, time: number): Buffer {
  const header = makeHeader(stream);
  new TimestampWriter().write(header, time);
  header[TAG_INDEX] = tag === 'F' ? FULL : PARTIAL;
  return Buffer.concat([header, content, Buffer.from('\n')]);
}
