import { createPipe } from '../core/pipe.ts';
import { PosixError } from '../core/posix-error.ts';
import { STDIN_RIGHTS, STDOUT_RIGHTS } from '../preview1/abi.ts';
import { closeDescriptor, duplicate, type Descriptor } from '../preview1/descriptor.ts';
import { plain, type Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';

const streamDescriptor = (object: Descriptor['object'], rightsBase: number): Descriptor => ({
  object,
  rightsBase,
  rightsInheriting: 0,
  flags: 0,
});

/** What makes descriptors. */
export function descriptorFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  return {
    /** pipe(2); WASIX' name. */
    fd_pipe: plain((readOut: number, writeOut: number) => {
      memory.check(readOut, 4);
      memory.check(writeOut, 4);
      const { reader, writer } = createPipe();
      const readFd = descriptors.insert(streamDescriptor(reader, STDIN_RIGHTS));
      if (!descriptors.hasRoom) {
        descriptors.remove(readFd);
        throw new PosixError('EMFILE');
      }
      memory.setU32(readOut, readFd);
      memory.setU32(writeOut, descriptors.insert(streamDescriptor(writer, STDOUT_RIGHTS)));
    }),
    /** dup(2); WASIX' name. */
    fd_dup: plain((fd: number, out: number) => {
      memory.check(out, 4);
      memory.setU32(out, duplicate(descriptors, fd));
    }),
    /** dup2(2); WASIX' name. */
    fd_dup2: plain((fd: number, to: number) => {
      const descriptor = descriptors.get(fd);
      if (fd === to) return;
      const replaced = descriptors.place(to, descriptor);
      descriptor.duplicates = (descriptor.duplicates ?? 0) + 1;
      if (replaced !== undefined) closeDescriptor(replaced);
    }),
  };
}
