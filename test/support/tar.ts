import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** A tar archive with these files (content by path), the same bytes each time. */
export async function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Uint8Array> {
  const archive = pack();
  const bytes = buffer(archive);
  for (const [name, content] of Object.entries(files)) {
    await new Promise<void>((resolve, reject) => {
      const header = { name, mode: 0o755, mtime: new Date(0) };
      archive.entry(header, Buffer.from(content), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
  archive.finalize();
  return bytes;
}
