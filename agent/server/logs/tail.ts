const LF = 0x0a;
const BLOCK_BYTES = 64 * 1024;

/** Reads bytes of a file at a position; what FileHandle does. */
export interface PositionalReader {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

/**
 * Finds where the last `lines` entries of a log begin, by reading backwards in blocks. An entry without its line feed
 * at the end of the file is not counted, as in the kubelet (k8s.io/cri-client/pkg/logs/tail.go).
 * @param size of the file, in bytes
 * @returns a position, 0 when the log has fewer entries
 */
export async function findTail(file: PositionalReader, size: number, lines: number): Promise<number> {
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size));
  let found = 0;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      at = block.lastIndexOf(LF, at);
      if (at === -1) break;
      // The line feed before the first entry wanted is one more than the entries wanted.
      if (found++ === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
