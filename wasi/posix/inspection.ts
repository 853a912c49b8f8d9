import { RIGHT } from '../preview1/abi.ts';
import { requireRights } from '../preview1/descriptor.ts';
import { oftenFailing, plain, type Preview1Functions } from '../preview1/function.ts';
import { lastLink, locator } from '../preview1/path.ts';
import type { Preview1State } from '../preview1/state.ts';
import { checkAccess } from './access.ts';
import { heldBy } from './descriptor-file.ts';
import { hold, type HeldFile } from './held-file.ts';
import { identityOf } from './identity.ts';
import { madeUpStat, setStat, setStatfs, streamStat } from './stat.ts';

/** What tells of files and changes nothing. */
export function inspectionFunctions(state: Preview1State): Preview1Functions {
  const { memory, descriptors, tree } = state;
  const locate = locator(state);
  const look = (fd: number, lookup: number, path: number, length: number, use: (file: HeldFile) => void): void => {
    const at = locate(fd, RIGHT.PATH_FILESTAT_GET, path, length);
    tree.at(at, lastLink(lookup), (place) => hold(place, use));
  };
  return {
    /** fstatat(2). */
    path_stat: oftenFailing((fd: number, lookup: number, path: number, length: number, out: number) =>
      look(fd, lookup, path, length, ({ stats, virtual }) => setStat(memory, out, stats ?? madeUpStat(virtual))),
    ),
    /** fstat(2). */
    fd_stat: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      requireRights(descriptor, RIGHT.FD_FILESTAT_GET);
      const { object } = descriptor;
      if (object.kind === 'input' || object.kind === 'output') {
        setStat(memory, out, streamStat(object, identityOf(state)));
        return;
      }
      const { stats, virtual } = heldBy(descriptor);
      setStat(memory, out, stats ?? madeUpStat(virtual));
    }),
    /** faccessat(2) with AT_EACCESS. */
    path_access: oftenFailing((fd: number, lookup: number, path: number, length: number, mode: number) =>
      look(fd, lookup, path, length, (file) => checkAccess(file, mode, identityOf(state))),
    ),
    /** statfs(2). */
    path_statfs: oftenFailing((fd: number, lookup: number, path: number, length: number, out: number) =>
      look(fd, lookup, path, length, (file) => setStatfs(memory, out, file)),
    ),
    /** fstatfs(2). */
    fd_statfs: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      requireRights(descriptor, RIGHT.FD_FILESTAT_GET);
      setStatfs(memory, out, heldBy(descriptor));
    }),
  };
}
