// Package posix shows what WASI Preview 1 does not: modes, owners, identity, file system types, signals. Built with the
// tag 'posix' for wasip1 it calls the import module wasmlet_posix_v1 (docs/wasi-posix.md); built without, it makes do
// with what Go's os package knows, and what cannot be known is as for a root user's own files.
package posix

import (
	"io/fs"
	"os"
	"syscall"
)

// Bits of Access.
const (
	Execute = 1
	Write   = 2
	Read    = 4
)

// File types of a mode, as Linux has them.
const (
	TypeMask   = 0o170000
	Socket     = 0o140000
	Link       = 0o120000
	Regular    = 0o100000
	Block      = 0o060000
	Directory  = 0o040000
	Character  = 0o020000
	Fifo       = 0o010000
	permission = 0o7777
)

// Stat is what stat(2) shows. Times are nanoseconds since 1970.
type Stat struct {
	Dev, Ino, Nlink, Rdev, Size, Blocks uint64
	Atime, Mtime, Ctime                 int64
	Mode, UID, GID, BlockSize           uint32
}

// Perm is the mode without the type.
func (s *Stat) Perm() uint32 { return s.Mode & permission }

// Is tells whether the file is of a type.
func (s *Stat) Is(kind uint32) bool { return s.Mode&TypeMask == kind }

// Statfs is what statfs(2) shows. Sizes are in blocks.
type Statfs struct {
	Type, BlockSize, Blocks, Free, Available, Files, FreeFiles, Flags uint64
}

// TypeName is the name of a file system by its magic number, as stat -f shows it.
func (s *Statfs) TypeName() string {
	switch s.Type {
	case 0xef53:
		return "ext2/ext3"
	case 0x01021994:
		return "tmpfs"
	case 0x794c7630:
		return "overlayfs"
	case 0x58465342:
		return "xfs"
	case 0x9123683e:
		return "btrfs"
	case 0x9fa0:
		return "proc"
	case 0x858458f6:
		return "ramfs"
	case 0x958458f6:
		return "hugetlbfs"
	case 0x01021997:
		return "v9fs"
	}
	return "UNKNOWN"
}

// Signals that programs handle, by number as on Linux.
var SignalNumbers = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "WINCH": 28,
}

// fromInfo makes a Stat of what Go's os package knows.
func fromInfo(info fs.FileInfo) *Stat {
	mode := uint32(info.Mode().Perm())
	switch {
	case info.IsDir():
		mode |= Directory
	case info.Mode()&fs.ModeSymlink != 0:
		mode |= Link
	case info.Mode()&fs.ModeCharDevice != 0:
		mode |= Character
	case info.Mode()&fs.ModeNamedPipe != 0:
		mode |= Fifo
	case info.Mode()&fs.ModeSocket != 0:
		mode |= Socket
	default:
		mode |= Regular
	}
	for _, bit := range []struct {
		has fs.FileMode
		bit uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if info.Mode()&bit.has != 0 {
			mode |= bit.bit
		}
	}
	modified := info.ModTime().UnixNano()
	stat := &Stat{
		Mode: mode, Nlink: 1, Size: uint64(info.Size()), Blocks: uint64(info.Size()+511) / 512, BlockSize: 4096,
		Atime: modified, Mtime: modified, Ctime: modified,
	}
	fill(stat, info)
	return stat
}

func plainStat(path string, follow bool) (*Stat, error) {
	get := os.Lstat
	if follow {
		get = os.Stat
	}
	info, err := get(path)
	if err != nil {
		return nil, err
	}
	return fromInfo(info), nil
}

func pathError(op, path string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: errno}
}
