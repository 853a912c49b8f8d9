//go:build wasip1 && posix

package posix

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"unsafe"
)

//go:wasmimport wasmlet_posix_v1 path_stat
//go:noescape
func pathStat(fd, lookup uint32, name unsafe.Pointer, length uint32, out unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 path_chmod
//go:noescape
func pathChmod(fd, lookup uint32, name unsafe.Pointer, length uint32, mode uint32) uint32

//go:wasmimport wasmlet_posix_v1 path_chown
//go:noescape
func pathChown(fd, lookup uint32, name unsafe.Pointer, length uint32, uid, gid uint32) uint32

//go:wasmimport wasmlet_posix_v1 path_access
//go:noescape
func pathAccess(fd, lookup uint32, name unsafe.Pointer, length uint32, mode uint32) uint32

//go:wasmimport wasmlet_posix_v1 path_statfs
//go:noescape
func pathStatfs(fd, lookup uint32, name unsafe.Pointer, length uint32, out unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 umask
//go:noescape
func umask(mask uint32, old unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 ids_get
//go:noescape
func idsGet(out unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 groups_get
//go:noescape
func groupsGet(out unsafe.Pointer, capacity uint32, count unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 hostname_get
//go:noescape
func hostnameGet(out unsafe.Pointer, size uint32, length unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 proc_id
//go:noescape
func procID(out unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 signal_subscribe
//go:noescape
func signalSubscribe(set uint64, old unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 signal_take
//go:noescape
func signalTake(out unsafe.Pointer) uint32

//go:wasmimport wasmlet_posix_v1 proc_signal
//go:noescape
func procSignal(pid, signal uint32) uint32

// root is the descriptor of '/': the first after the listening ones.
var root = func() uint32 {
	listeners, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || listeners < 0 {
		listeners = 0
	}
	return uint32(3 + listeners)
}()

func lookupFlag(follow bool) uint32 {
	if follow {
		return 1
	}
	return 0
}

// relative is an absolute path as the directory '/' knows it.
func relative(name string) (unsafe.Pointer, uint32) {
	if name = path.Clean(name)[1:]; name == "" {
		name = "."
	}
	return unsafe.Pointer(unsafe.StringData(name)), uint32(len(name))
}

// GetStat is stat(2), or lstat(2), of an absolute path.
func GetStat(name string, follow bool) (*Stat, error) {
	var out [88]byte
	pointer, length := relative(name)
	if errno := pathStat(root, lookupFlag(follow), pointer, length, unsafe.Pointer(&out)); errno != 0 {
		return nil, pathError("stat", name, syscall.Errno(errno))
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(out[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(out[at:]) }
	return &Stat{
		Dev: u64(0), Ino: u64(8), Nlink: u64(16), Rdev: u64(24), Size: u64(32), Blocks: u64(40),
		Atime: int64(u64(48)), Mtime: int64(u64(56)), Ctime: int64(u64(64)),
		Mode: u32(72), UID: u32(76), GID: u32(80), BlockSize: u32(84),
	}, nil
}

// GetStatfs is statfs(2) of an absolute path.
func GetStatfs(name string) (*Statfs, error) {
	var out [8]uint64
	pointer, length := relative(name)
	if errno := pathStatfs(root, 1, pointer, length, unsafe.Pointer(&out)); errno != 0 {
		return nil, pathError("statfs", name, syscall.Errno(errno))
	}
	return &Statfs{
		Type: out[0], BlockSize: out[1], Blocks: out[2], Free: out[3], Available: out[4], Files: out[5], FreeFiles: out[6],
		Flags: out[7],
	}, nil
}

// Chmod is chmod(2) of an absolute path.
func Chmod(name string, mode uint32) error {
	pointer, length := relative(name)
	return pathError("chmod", name, syscall.Errno(pathChmod(root, 1, pointer, length, mode)))
}

// Chown is chown(2), or lchown(2), of an absolute path; -1 leaves an id as it is.
func Chown(name string, uid, gid int, follow bool) error {
	pointer, length := relative(name)
	errno := pathChown(root, lookupFlag(follow), pointer, length, uint32(uid), uint32(gid))
	return pathError("chown", name, syscall.Errno(errno))
}

// Access is access(2) with the effective ids.
func Access(name string, bits uint32) error {
	pointer, length := relative(name)
	return pathError("access", name, syscall.Errno(pathAccess(root, 1, pointer, length, bits)))
}

// Umask is umask(2); a negative mask only asks.
func Umask(mask int) int {
	var old uint32
	if umask(uint32(mask), unsafe.Pointer(&old)) != 0 {
		return 0o022
	}
	return int(old)
}

func ids() (out [4]uint32) {
	if idsGet(unsafe.Pointer(&out)) != 0 {
		return [4]uint32{}
	}
	return out
}

func Getuid() int  { return int(ids()[0]) }
func Geteuid() int { return int(ids()[1]) }
func Getgid() int  { return int(ids()[2]) }
func Getegid() int { return int(ids()[3]) }

// Getgroups are the supplementary groups.
func Getgroups() []int {
	var out [1024]uint32
	var count uint32
	if groupsGet(unsafe.Pointer(&out), uint32(len(out)), unsafe.Pointer(&count)) != 0 {
		return nil
	}
	groups := make([]int, count)
	for i := range groups {
		groups[i] = int(out[i])
	}
	return groups
}

// Hostname is gethostname(2).
func Hostname() string {
	var out [256]byte
	var length uint32
	if hostnameGet(unsafe.Pointer(&out), uint32(len(out)), unsafe.Pointer(&length)) != 0 {
		return os.Getenv("HOSTNAME")
	}
	return string(out[:length])
}

// Getpid is the instance's process id.
func Getpid() int {
	var out uint32
	if procID(unsafe.Pointer(&out)) != 0 {
		return 1
	}
	return int(out)
}

// Subscribe makes the signals of a set (bit n: signal n) wait for TakeSignal.
func Subscribe(set uint64) error {
	if errno := signalSubscribe(wire(set), nil); errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}

// TakeSignal is a signal that waits, 0 when there is none.
func TakeSignal() int {
	var out uint32
	if signalTake(unsafe.Pointer(&out)) != 0 {
		return 0
	}
	return fromWire(int(out))
}

// Kill is kill(2) of the instance itself.
func Kill(pid, signal int) error {
	number := signal
	if signal > 15 {
		number--
	}
	if errno := procSignal(uint32(pid), uint32(number)); errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}

// Linux has STKFLT at 16, Preview 1 has not: from there on its numbers are one less.
func wire(set uint64) uint64 { return set&(1<<16-1) | set>>17<<16 }

func fromWire(number int) int {
	if number > 15 {
		return number + 1
	}
	return number
}

// HasModes tells whether modes and owners can be seen and changed.
func HasModes() bool { return true }

func fill(*Stat, fs.FileInfo) {}
